/* SPDX-License-Identifier: Apache-2.0 */

/*
 * notes — what the client is to be told of what works less well than it should.
 *
 * A client that is stopped for a while does not read. Progress may be lost then, for more of it comes;
 * a note comes once. So a few are kept, in their order, and sent when the client reads again; END
 * waits for them. The same text twice in the queue is one note.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cprof/base/seqpacket.h"
#include "recording.h"

static bool is_queued(const struct recording *rec, const struct session_note *note)
{
	for (unsigned int i = 0; i < rec->notes_cnt; i++) {
		if (strcmp(rec->notes[i]->text, note->text) == 0)
			return true;
	}
	return false;
}

bool session_note(struct recording *rec, const char *text)
{
	_cleanup_free_ struct session_note *note = calloc(1, sizeof(*note));
	bool kept;

	if (!note)
		return false;
	note->head = (struct wire_head){ .size = sizeof(*note), .type = SESSION_NOTE };
	note->text_len = strnlen(text, sizeof(note->text) - 1);
	memcpy(note->text, text, note->text_len);
	kept = is_queued(rec, note);
	if (!kept && rec->notes_cnt < RECORDING_NOTES_MAX) {
		rec->notes[rec->notes_cnt++] = TAKE_PTR(note);
		kept = true;
	}
	(void)session_send_notes(rec); /* whoever waits for the client sees that it is gone */
	return kept;
}

int session_send_notes(struct recording *rec)
{
	while (rec->notes_cnt > 0) {
		int r = seqpacket_send(rec->client_fd, rec->notes[0], sizeof(*rec->notes[0]),
				       -EBADF);

		if (r == -EAGAIN)
			return 0;
		if (r < 0)
			return r;
		free(rec->notes[0]);
		rec->notes_cnt--;
		memmove(rec->notes, rec->notes + 1, rec->notes_cnt * sizeof(rec->notes[0]));
	}
	return 1;
}

void session_drop_notes(struct recording *rec)
{
	while (rec->notes_cnt > 0)
		free(rec->notes[--rec->notes_cnt]);
}
