/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The vDSO is an ELF image that the kernel maps into every process, and it is the same one in every
 * 64-bit process of a running kernel: our own mapping of it names the frames of all. It is copied into
 * a memfd, so that it goes the way of any other file, which reads by descriptor.
 *
 * How long it is, its own headers say; the kernel made them, and yet there is a limit.
 */

#include "vdso.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/fd.h"

#define VDSO_SZ_MAX (64u << 10)

/* Up to the end of the last segment or of the section headers, which lie behind it. */
static size_t vdso_size(const Elf64_Ehdr *e)
{
	const Elf64_Phdr *phdrs = (const void *)((const char *)e + e->e_phoff);
	uint64_t end = e->e_shoff + (uint64_t)e->e_shnum * e->e_shentsize;

	for (int i = 0; i < e->e_phnum; i++) {
		if (phdrs[i].p_type == PT_LOAD)
			end = MAX(end, phdrs[i].p_offset + phdrs[i].p_filesz);
	}
	return end <= VDSO_SZ_MAX ? (size_t)end : 0;
}

int vdso_copy(void)
{
	const Elf64_Ehdr *e = (const void *)getauxval(AT_SYSINFO_EHDR);
	_cleanup_close_ int fd = -EBADF;
	size_t sz;

	if (!e || memcmp(e->e_ident, ELFMAG, SELFMAG) != 0)
		return -ENOENT; /* switched off: vdso=0 */
	sz = vdso_size(e);
	if (sz == 0)
		return -EFBIG;
	fd = memfd_create("vdso", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fd_write_all(fd, e, sz) < 0)
		return -EIO;
	return TAKE_FD(fd);
}
