/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The image with libelf's handle and all that it read lives as long as the file is open.
 *
 * Which debug file belongs to which file: by their build ids, where both have one; or else by the CRC-32 of
 * the whole debug file, which the file carries beside its name (the section .gnu_debuglink, as objcopy
 * writes it: the name, zeros up to a multiple of 4, the CRC). The polynomial is zlib's.
 */

#include "elf-file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <zlib.h>

#include "cprof/base/fd.h"

#define PIECE_SZ 65536

enum kind {
	PROGRAM,
	DEBUG, /* whose segments mean nothing */
	PART,  /* that may have none */
};

static int open_file(int fd, uint64_t file_sz, enum kind kind, struct elf_file **ret)
{
	_cleanup_close_ int owned = fd;
	_cleanup_(elf_file_closep) struct elf_file *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return -ENOMEM;
	f->fd = TAKE_FD(owned);
	f->img = ELF_IMAGE_INIT;
	f->reads = elf_reads_new();
	if (!f->reads)
		return -ENOMEM;
	r = elf_image_init(&f->img, f->fd, f->reads, file_sz, kind == PART);
	if (r == SYMTAB_OK)
		r = kind == PROGRAM ? elf_image_info(&f->img, &f->info)
				    : elf_image_build_id(&f->img, &f->info);
	if (r != SYMTAB_OK)
		return r;
	*ret = TAKE_PTR(f);
	return SYMTAB_OK;
}

int elf_file_open(int fd, uint64_t file_sz, struct elf_file **ret)
{
	return open_file(fd, file_sz, PROGRAM, ret);
}

int elf_file_open_debug(int fd, uint64_t file_sz, struct elf_file **ret)
{
	return open_file(fd, file_sz, DEBUG, ret);
}

int elf_file_open_part(int fd, uint64_t file_sz, struct elf_file **ret)
{
	return open_file(fd, file_sz, PART, ret);
}

int elf_file_open_copy(int fd, uint64_t file_sz, struct elf_file **ret)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	return copy < 0 ? -errno : open_file(copy, file_sz, PROGRAM, ret);
}

int elf_file_copy(const struct elf_file *f, struct elf_file **ret)
{
	return elf_file_open_copy(f->fd, f->img.file_sz, ret);
}

const struct elf_file *elf_file_keep(const struct elf_file *f)
{
	if (f)
		elf_reads_keep(f->reads);
	return f;
}

const struct elf_file *elf_file_rest(const struct elf_file *f)
{
	if (f)
		elf_reads_rest(f->reads);
	return NULL;
}

void elf_file_detach(struct elf_file *f)
{
	elf_reads_rest(f->reads);
	f->fd = fd_close(f->fd);
	f->img.fd = -EBADF;
}

int elf_file_attach(struct elf_file *f, int fd, uint64_t file_sz)
{
	_cleanup_close_ int owned = fd;

	if (file_sz != f->img.file_sz)
		return -ESTALE;
	elf_file_detach(f);
	f->fd = TAKE_FD(owned);
	f->img.fd = f->fd;
	return 0;
}

bool elf_file_is_attached(const struct elf_file *f)
{
	return f->fd >= 0;
}

struct elf_file *elf_file_close(struct elf_file *f)
{
	if (!f)
		return NULL;
	elf_image_done(&f->img);
	f->reads = elf_reads_free(f->reads);
	f->fd = fd_close(f->fd);
	free(f);
	return NULL;
}

size_t elf_file_bytes(const struct elf_file *f)
{
	return sizeof(*f) + f->img.phdrs_cnt * sizeof(*f->img.phdrs) +
	       f->img.shdrs_cnt * sizeof(*f->img.shdrs);
}

bool elf_file_link(const struct elf_file *f, char name[static ELF_FILE_LINK_MAX + 1],
		   uint32_t *ret_crc)
{
	const Elf64_Shdr *s = elf_image_section(&f->img, ".gnu_debuglink");
	char bytes[ELF_FILE_LINK_MAX + 1 + sizeof(*ret_crc)] = { 0 };
	size_t sz = s ? (size_t)MIN(s->sh_size, (uint64_t)sizeof(bytes)) : 0, len, crc;

	if (sz == 0 || elf_image_read(&f->img, s->sh_offset, bytes, sz) != SYMTAB_OK)
		return false;
	len = strnlen(bytes, sz);
	crc = (len + 4) & ~(size_t)3;
	if (len == 0 || len > ELF_FILE_LINK_MAX || crc + sizeof(*ret_crc) > sz ||
	    memchr(bytes, '/', len) || bytes[0] == '.')
		return false;
	memcpy(name, bytes, len + 1);
	memcpy(ret_crc, bytes + crc, sizeof(*ret_crc));
	return true;
}

/* 0 or -errno; a file that ends early is -EIO. */
static int compute_crc(const struct elf_image *img, uint32_t *ret)
{
	_cleanup_free_ uint8_t *piece = malloc(PIECE_SZ);
	uLong crc = crc32(0, NULL, 0);

	if (!piece)
		return -ENOMEM;
	for (uint64_t at = 0; at < img->file_sz;) {
		size_t n = (size_t)MIN(img->file_sz - at, (uint64_t)PIECE_SZ);
		int r = elf_image_read(img, at, piece, n);

		if (r != SYMTAB_OK)
			return r < 0 ? r : -EIO;
		crc = crc32(crc, piece, (uInt)n);
		at += n;
	}
	*ret = (uint32_t)crc;
	return 0;
}

int elf_file_is_debug_of(const struct elf_file *debug, const struct elf_file *f)
{
	const struct symtab_info *a = &debug->info, *b = &f->info;
	char name[ELF_FILE_LINK_MAX + 1];
	uint32_t wanted, crc;
	int r;

	if (a->build_id_sz > 0 && b->build_id_sz > 0)
		return a->build_id_sz == b->build_id_sz &&
		       memcmp(a->build_id, b->build_id, a->build_id_sz) == 0;
	if (!elf_file_link(f, name, &wanted))
		return 0;
	if (debug->img.file_sz > ELF_FILE_CRC_MAX)
		return -EFBIG;
	r = compute_crc(&debug->img, &crc);
	return r < 0 ? r : crc == wanted;
}
