/* SPDX-License-Identifier: Apache-2.0 */

/*
 * trust — what becomes of what a symbolizer told when it is gone.
 *
 * A symbolizer reads strangers' files, and one that was taken over by a file may lie about the next. Its
 * tables go with it, and so do the facts and rows of files, which all come anew with the tables of the
 * next one. Names would stay. So the names of one that died are asked for once more, and serve until the next one
 * has answered: it may have died of anything. Of one that was caught (an answer that makes no sense, a
 * system call that it has no use for) nothing is believed any more: names are dropped, rows too, and that
 * a file is bad, or has no names, was only its word.
 */

#include "symbolize-internal.h"

void trust_doubt(struct symbolize *s)
{
	names_doubt_all(s->opts.names);
}

/* One that no symbolizer survives stays what it is. */
static bool was_its_word(struct symbolize *s, uint32_t object)
{
	const struct object *o = objects_get(s->opts.objects, object);
	const struct work *w = symbolize_work(s, object);

	return (o->state == OBJECT_UNNAMED || o->state == OBJECT_BAD) && w &&
	       w->tries < OBJECT_TRIES_MAX;
}

void symbolize_disbelieve(struct symbolize *s, uint64_t now_ns)
{
	size_t pos = 0;
	uint32_t i;

	s->opts.counters->v[COUNTER_names_forgotten] += names_cnt(s->opts.names);
	s->shares = (struct shares){ 0 };
	if (names_sweep(s->opts.names, UINT64_MAX, NULL, NULL) < 0)
		trust_doubt(s); /* without memory at least that */
	while (objects_next(s->opts.objects, &pos, &i)) {
		if (was_its_word(s, i))
			symbolize_table_lost(s, i, now_ns);
	}
	views_room(s);
	views_look_again(s);
}
