/* SPDX-License-Identifier: Apache-2.0 */

/*
 * kernel — names of BPF programs and modules that come and go while we sample.
 *
 * The kernel's own text stays as it is. Outside of it memory is used again: when something came or
 * went, all places there are asked for anew. Where the kernel told what came or went, its word on name
 * and length counts more than kallsyms, which has no lengths and knows only what is there now. Where it
 * did not (modules, a record that was lost), the symbolizer reads kallsyms again first, not more often
 * than every few seconds: that takes a tenth of a second, and on some hosts BPF programs come with
 * every service that is started. A place that was two functions has no name any more: nobody can say
 * which of them a sample met.
 *
 * The kernel keeps the lines of BPF programs that were compiled with them; they are asked for when such a
 * program's name comes (docs/adr/0035-lines-of-bpf-programs.md). One that is gone by then has none, and what is known
 * of a place stays while its name does.
 */

#include <string.h>

#include "symbolize-internal.h"

#define RELOAD_NS 3000000000ull
#define CODES_MAX 4096
/* In the place of a start: the place was two functions. */
#define TWICE UINT64_MAX

bool kernel_is_outside(const struct symbolize *s, uint64_t place)
{
	const struct object *o = objects_get(s->opts.objects, CPROF_OBJECT_KERNEL);

	return o->kernel_text == 0 || place < o->kernel_text || place >= s->kernel_text_end;
}

void symbolize_kernel_code(struct symbolize *s, const struct symbolize_code *code)
{
	s->kernel_changed = true;
	if (code->start >= code->end || code->name[0] == '\0') {
		s->kernel_unknown = true;
		return;
	}
	for (size_t i = 0; i < s->codes.cnt; i++) {
		if (memcmp(&s->codes.v[i], code, sizeof(*code)) == 0)
			return; /* told when it came */
	}
	if (s->codes.cnt < CODES_MAX && vec_push(&s->codes, *code) == 0)
		return;
	s->kernel_unknown = true; /* what is forgotten, or is not remembered */
	if (s->codes.cnt > 0)
		s->codes.v[s->codes_next++ % s->codes.cnt] = *code;
}

/* What is asked for next has kallsyms read again; false when it cannot be said now. */
static bool read_again(struct symbolize *s)
{
	const struct wire_head m = { .size = sizeof(m),
				     .type = WIRE_FORGET,
				     .id = CPROF_OBJECT_KERNEL };

	if (seqpacket_send(s->symbolizer_fd, &m, sizeof(m), -EBADF) < 0)
		return false;
	s->opts.counters->v[COUNTER_kernel_reloads]++;
	s->kernel_unknown = false;
	return true;
}

void kernel_asked(struct symbolize *s)
{
	if (!s->kernel_read)
		s->kernel_unknown = false; /* it is read now */
	s->kernel_read = true;
}

bool symbolize_kernel_is_begun(const struct symbolize *s)
{
	return s->kernel_read;
}

/* Asks anew when something changed and a place outside of the text was met. */
void kernel_tick(struct symbolize *s, uint64_t now_ns)
{
	if (!s->kernel_changed || !s->kernel_outside || now_ns < s->kernel_reload_ns ||
	    s->symbolizer_fd < 0)
		return;
	if (s->kernel_unknown && s->kernel_read && !read_again(s))
		return;
	s->kernel_changed = false;
	s->kernel_tried = false;
	s->kernel_reading = ++s->readings;
	s->kernel_reload_ns = now_ns + RELOAD_NS;
	views_look_again(s);
}

/* Puts the name of the code that was at this place in @name. 0: none that is known; 2: several. */
static int name_by_code(struct symbolize *s, uint64_t place, struct name *name)
{
	const struct symbolize_code *found = NULL;
	char clean[3 * sizeof(found->name) + 1];
	size_t len;

	for (size_t i = 0; i < s->codes.cnt; i++) {
		const struct symbolize_code *c = &s->codes.v[i];

		if (place < c->start || place >= c->end)
			continue;
		if (found && strcmp(found->name, c->name) != 0)
			return 2;
		found = c;
	}
	if (!found)
		return 0;
	len = str_clean(clean, sizeof(clean), found->name, sizeof(found->name), NULL);
	*name = (struct name){ .start = found->start };
	return names_string(s->opts.names, clean, len, &name->function) < 0 ? 0 : 1;
}

static bool is_of_bpf(struct symbolize *s, const struct name *name)
{
	static const char mark[] = " [bpf]";
	const char *text = names_text(s->opts.names, name->function);
	size_t len = text ? strlen(text) : 0;

	return len >= sizeof(mark) - 1 && strcmp(text + len - (sizeof(mark) - 1), mark) == 0;
}

void symbolize_code_line(struct symbolize *s, const struct symbolize_code_line *line)
{
	char clean[3 * SYMBOLIZE_CODE_FILE_MAX + 1];
	struct name name;
	size_t len;

	if (!names_get(s->opts.names, CPROF_OBJECT_KERNEL, line->place, &name) ||
	    name.function == 0 || !kernel_is_outside(s, line->place))
		return;
	len = str_clean(clean, sizeof(clean), line->file,
			strnlen(line->file, SYMBOLIZE_CODE_FILE_MAX), NULL);
	if (len > 0 && names_string(s->opts.names, clean, len, &name.file) < 0)
		return;
	name.line = line->line;
	name.column = line->column;
	name.start_line = line->start_line;
	(void)names_put(s->opts.names, CPROF_OBJECT_KERNEL, line->place, &name);
}

void kernel_code_lines(struct symbolize *s)
{
	for (size_t i = 0; i < s->code_places.cnt; i += SYMBOLIZE_CODE_MAX)
		s->opts.on_code(s->code_places.v + i,
				MIN(s->code_places.cnt - i, (size_t)SYMBOLIZE_CODE_MAX),
				s->opts.ctx);
	s->code_places.cnt = 0;
}

bool kernel_take_name(struct symbolize *s, uint64_t place, struct name *name)
{
	struct name old;
	int codes;

	if (!kernel_is_outside(s, place))
		return true;
	codes = name_by_code(s, place, name);
	if (!names_get(s->opts.names, CPROF_OBJECT_KERNEL, place, &old))
		old = (struct name){ 0 };
	if (old.start == TWICE)
		return false;
	if (codes > 1 || (old.function != 0 && old.function != name->function))
		*name = (struct name){ .start = TWICE };
	else if (old.function != 0)
		name->own = old.own;
	if (s->opts.on_code && is_of_bpf(s, name))
		(void)vec_push(&s->code_places, place); /* or it has no line */
	return true;
}
