/* SPDX-License-Identifier: Apache-2.0 */

/* notes: a client that does not read, reads again, or is gone. */

#include "check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cprof/base/seqpacket.h"
#include "recording.h"

/* Whatever the socket holds, all else is refused. */
static int fill(int fd)
{
	char byte = 0;
	int cnt = 0;

	while (seqpacket_send(fd, &byte, sizeof(byte), -EBADF) == 0)
		cnt++;
	CHECK(cnt > 0);
	return cnt;
}

static void drain(int fd, int cnt)
{
	char byte;

	for (int i = 0; i < cnt; i++)
		CHECK_EQ(seqpacket_recv(fd, &byte, sizeof(byte), NULL), 1);
}

static void expect_note(int fd, const char *text)
{
	struct session_note note;

	CHECK_EQ(seqpacket_recv(fd, &note, sizeof(note), NULL), sizeof(note));
	CHECK_EQ(session_check(&note, sizeof(note)), SESSION_NOTE);
	CHECK_STR(note.text, text);
}

TEST(a_note_waits_for_the_client)
{
	struct recording s = { 0 };
	int fds[2], cnt;
	char text[8];

	CHECK_EQ(seqpacket_pair(fds), 0);
	s.client_fd = fds[0];
	CHECK(session_note(&s, "at once"));
	expect_note(fds[1], "at once");
	cnt = fill(fds[0]);
	for (int i = 0; i < RECORDING_NOTES_MAX; i++) {
		(void)snprintf(text, sizeof(text), "note %d", i);
		CHECK(session_note(&s, text));
		CHECK(session_note(&s, text)); /* twice the same is one */
	}
	CHECK(!session_note(&s, "one too many"));
	CHECK_EQ(session_send_notes(&s), 0);
	drain(fds[1], cnt);
	CHECK_EQ(session_send_notes(&s), 1);
	for (int i = 0; i < RECORDING_NOTES_MAX; i++) {
		(void)snprintf(text, sizeof(text), "note %d", i);
		expect_note(fds[1], text);
	}
	CHECK(session_note(&s, "one too many"));
	expect_note(fds[1], "one too many");
	CHECK_EQ(seqpacket_recv(fds[1], text, sizeof(text), NULL), -EAGAIN);
	close(fds[0]);
	close(fds[1]);
}

TEST(a_client_that_is_gone)
{
	struct recording s = { 0 };
	int fds[2];

	CHECK_EQ(seqpacket_pair(fds), 0);
	s.client_fd = fds[0];
	close(fds[1]);
	CHECK(session_note(&s, "to nobody"));
	CHECK_EQ(session_send_notes(&s), -EPIPE);
	session_drop_notes(&s);
	CHECK_EQ(session_send_notes(&s), 1);
	close(fds[0]);
}

CHECK_MAIN
