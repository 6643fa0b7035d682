/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * file-names — names that are read where they stand, in the file, when somebody asks: a large table without them
 * is made in a fifth of the time, and of 100,000 names some hundred are ever asked for.
 *
 * A name in a table (struct range) is here its source and its place in that one's strings, or, where several
 * symbols of one rank are at one address, the place of their list in ties: of them the best name counts.
 */

#include "elf-file.h"
#include "ranges.h"

/* Whoever asks has to read all of them: among more, as of equal functions that a linker made one, is chosen at once. */
#define FILE_NAMES_TIES_MAX 16

struct file_names;

/* Names in the file while a table is made. */
struct file_texts {
	const struct elf_image *img;
	const struct candidate_strings *strings;
	uint32_t *reads_left;
	struct name_ties ties; /* what is left to be chosen from */
};

/*
 * The best of the names at @v, all of one source, which is then at the front; each is read. 0; -E2BIG: they are
 * too many; -EINVAL or -ENOENT as of file_names_get().
 */
int file_texts_choose(const struct file_texts *t, unsigned int source, uint32_t *v, size_t cnt);

/*
 * Opens the file once more; takes what is in @strings and @ties in any case. SYMTAB_OK, SYMTAB_BAD (it is another
 * one by now) or -errno.
 */
int file_names_new(const struct elf_file *f, struct candidate_strings *strings,
		   struct name_ties *ties, struct file_names **ret);
struct file_names *file_names_free(struct file_names *n);

/*
 * Valid until the next call. 0; -EINVAL: what is called so is no function (elf-symbols.h), and the table should
 * never have had it; -ENOENT: it cannot be read (any more).
 */
int file_names_get(struct file_names *n, uint32_t name, const char **ret);
/* Was there one that is no function's? */
bool file_names_are_misleading(const struct file_names *n);
const struct elf_file *file_names_file(const struct file_names *n);
size_t file_names_bytes(const struct file_names *n);

DEFINE_CLEANUP(struct file_names *, file_names_free);
