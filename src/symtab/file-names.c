/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Most names are short, so that some hundred bytes are read first. The file may change under us, as all files
 * may: what is read then is some other text, and ends where the strings did.
 */

#include "file-names.h"

#include <errno.h>
#include <string.h>

#include "elf-symbols.h"

#define FIRST_SZ 256

struct name_text {
	size_t len;
	char text[SYMTAB_NAME_MAX + 1];
};

struct file_names {
	struct elf_file *file;
	struct candidate_strings strings; /* in the file, but for those of stubs */
	struct name_ties ties;
	bool misleading;
	struct name_text name;
};

struct file_names *file_names_free(struct file_names *n)
{
	if (!n)
		return NULL;
	elf_file_close(n->file);
	candidate_strings_done(&n->strings);
	vec_done(&n->ties.v);
	free(n);
	return NULL;
}

int file_names_new(const struct elf_file *f, struct candidate_strings *strings,
		   struct name_ties *ties, struct file_names **ret)
{
	_cleanup_(file_names_freep) struct file_names *n = calloc(1, sizeof(*n));
	uint32_t *fit;
	int r;

	if (!n)
		return -ENOMEM;
	n->strings = *strings;
	memset(strings->v, 0, sizeof(strings->v));
	n->ties = *ties;
	*ties = (struct name_ties){ 0 };
	fit = n->ties.v.cnt > 0 ? realloc(n->ties.v.v, n->ties.v.cnt * sizeof(*fit)) : NULL;
	if (fit) {
		n->ties.v.v = fit;
		n->ties.v.cap = n->ties.v.cnt;
	}
	r = elf_file_copy(f, &n->file);
	if (r == SYMTAB_OK)
		*ret = TAKE_PTR(n);
	return r;
}

/* As file_names_get(). */
static int read_name(const struct elf_image *img, const struct candidate_strings *s, uint32_t name,
		     struct name_text *ret)
{
	const unsigned int source = name >> NAME_SOURCE_SHIFT;
	const uint32_t at = name & NAME_PLACE_MASK;
	size_t most = at < s->sz[source] ? MIN(s->sz[source] - at, (size_t)SYMTAB_NAME_MAX) : 0;
	size_t first = MIN(most, (size_t)FIRST_SZ);
	char *text = ret->text;

	if (most == 0 || candidate_strings_read(s, img, name, text, first) != SYMTAB_OK)
		return -ENOENT;
	if (memchr(text, '\0', first))
		most = first;
	else if (first < most && candidate_strings_read(s, img, name + FIRST_SZ, text + first,
							most - first) != SYMTAB_OK)
		return -ENOENT;
	text[most] = '\0';
	if (!symbol_name_is_function(text))
		return -EINVAL;
	ret->len = candidate_name_len(s, source, text, most);
	text[ret->len] = '\0';
	return 0;
}

/* Names of one source that compete. */
struct tied {
	uint32_t source; /* where it stands in a name */
	const uint32_t *v;
	size_t cnt;
};

/* Which of them is the best, and it itself. */
static int read_best(const struct file_texts *t, const struct tied *tied, struct name_text *best,
		     size_t *ret)
{
	struct name_text other;
	int r = read_name(t->img, t->strings, tied->source | tied->v[0], best);

	*ret = 0;
	for (size_t i = 1; r == 0 && i < tied->cnt; i++) {
		r = read_name(t->img, t->strings, tied->source | tied->v[i], &other);
		if (r < 0 || !name_is_better(other.text, other.len, best->text, best->len))
			continue;
		memcpy(best->text, other.text, other.len + 1);
		best->len = other.len;
		*ret = i;
	}
	return r;
}

int file_texts_choose(const struct file_texts *t, unsigned int source, uint32_t *v, size_t cnt)
{
	const struct tied tied = { (uint32_t)source << NAME_SOURCE_SHIFT, v, cnt };
	struct name_text text;
	size_t best;
	int r;

	if (cnt > *t->reads_left)
		return -E2BIG;
	*t->reads_left -= (uint32_t)cnt;
	r = read_best(t, &tied, &text, &best);
	if (r == 0)
		v[0] = v[best];
	return r;
}

int file_names_get(struct file_names *n, uint32_t name, const char **ret)
{
	const struct file_texts texts = { .img = &n->file->img, .strings = &n->strings };
	struct tied tied = { .source = name & ~(NAME_TIED | NAME_PLACE_MASK) };
	size_t best;
	int r;

	if (name & NAME_TIED) {
		tied.v = &n->ties.v.v[name & NAME_PLACE_MASK];
		tied.cnt = *tied.v++;
		r = read_best(&texts, &tied, &n->name, &best);
	} else {
		r = read_name(texts.img, texts.strings, name, &n->name);
	}
	n->misleading = n->misleading || r == -EINVAL;
	if (r < 0)
		return r;
	*ret = n->name.text;
	return 0;
}

bool file_names_are_misleading(const struct file_names *n)
{
	return n->misleading;
}

const struct elf_file *file_names_file(const struct file_names *n)
{
	return n->file;
}

size_t file_names_bytes(const struct file_names *n)
{
	return sizeof(*n) + elf_file_bytes(n->file) + n->ties.v.cap * sizeof(*n->ties.v.v) +
	       n->strings.sz[SYMTAB_SOURCE_PLT];
}
