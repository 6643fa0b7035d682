/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What .gnu_debugdata holds, in an ELF file that is good but for that. The first byte says which: 'e', and an
 * ELF file follows, which is compressed here (chance finds no sums); anything else, and it is the section as
 * it is. What is found covers the place asked for, and is found again at its own beginning.
 */

#include <elf.h>
#include <lzma.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cprof/symtab.h"
#include "fuzz.h"

#define CODE_SZ 8192	   /* is all that there is to be named */
#define CODE_ADDR 0x400000 /* where ld puts it in the seeds */

struct host {
	Elf64_Ehdr h;
	Elf64_Phdr code;
	Elf64_Shdr sections[3];
	char names[64];
	uint8_t bytes[CODE_SZ];
};

static const struct host host = {
	.h = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
	       .e_type = ET_DYN,
	       .e_machine = EM_X86_64,
	       .e_version = EV_CURRENT,
	       .e_phoff = offsetof(struct host, code),
	       .e_shoff = offsetof(struct host, sections),
	       .e_ehsize = sizeof(Elf64_Ehdr),
	       .e_phentsize = sizeof(Elf64_Phdr),
	       .e_phnum = 1,
	       .e_shentsize = sizeof(Elf64_Shdr),
	       .e_shnum = 3,
	       .e_shstrndx = 1 },
	.code = { .p_type = PT_LOAD,
		  .p_flags = PF_R | PF_X,
		  .p_vaddr = CODE_ADDR,
		  .p_filesz = CODE_SZ,
		  .p_memsz = CODE_SZ },
	.sections[1] = { .sh_type = SHT_STRTAB,
			 .sh_offset = offsetof(struct host, names),
			 .sh_size = sizeof(host.names) },
	.sections[2] = { .sh_name = 1, .sh_type = SHT_PROGBITS, .sh_offset = sizeof(struct host) },
	.names = "\0.gnu_debugdata",
};

/* To be freed. */
static uint8_t *section_of(const uint8_t *bytes, size_t sz, size_t *ret_sz)
{
	size_t room = lzma_stream_buffer_bound(sz);
	uint8_t *packed;

	if (sz == 0 || bytes[0] != 'e') {
		*ret_sz = sz > 0 ? sz - 1 : 0;
		return fuzz_copy(bytes + (sz > 0), *ret_sz);
	}
	packed = malloc(room);
	*ret_sz = 0;
	FUZZ_CHECK(packed);
	FUZZ_CHECK(lzma_easy_buffer_encode(0, LZMA_CHECK_NONE, NULL, bytes + 1, sz - 1, packed,
					   ret_sz, room) == LZMA_OK);
	return packed;
}

static void ask(const struct symtab *t, uint64_t place)
{
	struct symtab_symbol s, again;

	if (!symtab_find(t, place, &s))
		return;
	FUZZ_CHECK(s.start <= place);
	FUZZ_CHECK(strlen(s.name) > 0 && strlen(s.name) <= SYMTAB_NAME_MAX);
	FUZZ_CHECK(symtab_find(t, s.start, &again) && again.start == s.start);
	FUZZ_CHECK(strcmp(again.name, s.name) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t sz)
{
	struct symtab_limits limits = { .symbols = 10000, .bytes = 1 << 20 };
	_cleanup_free_ uint8_t *section = section_of(bytes, sz, &sz);
	struct host file = host;
	struct symtab *t = NULL;
	int fd = memfd_create("fuzz", MFD_CLOEXEC), r;

	file.sections[2].sh_size = sz;
	FUZZ_CHECK(fd >= 0);
	FUZZ_CHECK(write(fd, &file, sizeof(file)) == (ssize_t)sizeof(file));
	FUZZ_CHECK(write(fd, section, sz) == (ssize_t)sz);
	r = symtab_load(fd, sizeof(file) + sz, &limits, &t);
	close(fd);
	/* The file itself is good, whatever lies in it. */
	FUZZ_CHECK(r == SYMTAB_OK || r == SYMTAB_UNNAMED || r == SYMTAB_LIMIT);
	FUZZ_CHECK(t && symtab_bytes(t) <= limits.bytes + 4096);
	FUZZ_CHECK((symtab_info(t)->sources == 1u << SYMTAB_SOURCE_DEBUGDATA) == (r == SYMTAB_OK));
	for (uint64_t place = 0; place < CODE_SZ; place += 13)
		ask(t, place);
	symtab_free(t);
	return 0;
}
