/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The headers of an ELF file, read with our own pread and checked before libelf sees the file.
 *
 * libelf allocates what headers promise: a section of 900 GB in a sparse file is asked for, and the
 * number of sections can be any 64-bit number (extended numbering). So the two header tables are
 * read here first, held against the file's real size, and later reads name offset and size that
 * were checked (elf_getdata_rawchunk), never a section that libelf would look up again: the file may
 * change under us. Kinds we do not profile (relocatable, core, 32-bit, other machines) end here.
 * Layouts: System V ABI, gABI chapters 4 and 5; <elf.h>.
 */

#include "elf-image.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define PHDRS_MAX 4096
#define NAME_SZ 32 /* of sections that are asked for */

bool elf_image_holds(const struct elf_image *img, uint64_t offset, uint64_t sz)
{
	return offset <= img->file_sz && sz <= img->file_sz - offset;
}

/* All bytes or SYMTAB_BAD: a file that ends early was cut while we read it. */
int elf_image_read(const struct elf_image *img, uint64_t offset, void *dst, size_t sz)
{
	ssize_t n;

	if (!elf_image_holds(img, offset, sz) || offset > INT64_MAX - sz)
		return SYMTAB_BAD;
	if (img->bytes) {
		memcpy(dst, img->bytes + offset, sz);
		return SYMTAB_OK;
	}
	n = elf_reads_get(img->reads, img->fd, offset, dst, sz);
	if (n < 0)
		return (int)n;
	return (size_t)n == sz ? SYMTAB_OK : SYMTAB_BAD;
}

static bool is_ours(const Elf64_Ehdr *h, bool part)
{
	bool loaded = h->e_type == ET_EXEC || h->e_type == ET_DYN;

	return memcmp(h->e_ident, ELFMAG, SELFMAG) == 0 && h->e_ident[EI_CLASS] == ELFCLASS64 &&
	       h->e_ident[EI_DATA] == ELFDATA2LSB && h->e_ident[EI_VERSION] == EV_CURRENT &&
	       h->e_machine == EM_X86_64 && (loaded || (part && h->e_type == ET_REL));
}

static int read_phdrs(struct elf_image *img)
{
	const Elf64_Ehdr *h = &img->ehdr;
	size_t sz = (size_t)h->e_phnum * sizeof(Elf64_Phdr);

	if (h->e_phnum == 0 || h->e_phnum > PHDRS_MAX || h->e_phentsize != sizeof(Elf64_Phdr) ||
	    !elf_image_holds(img, h->e_phoff, sz))
		return SYMTAB_BAD;
	img->phdrs = malloc(sz);
	if (!img->phdrs)
		return -ENOMEM;
	img->phdrs_cnt = h->e_phnum;
	return elf_image_read(img, h->e_phoff, img->phdrs, sz);
}

/* Extended numbering (e_shnum 0 with a table) is for 65,280 sections and more: nothing we load. */
static int read_shdrs(struct elf_image *img)
{
	const Elf64_Ehdr *h = &img->ehdr;
	size_t sz = (size_t)h->e_shnum * sizeof(Elf64_Shdr);

	if (h->e_shoff == 0 && h->e_shnum == 0)
		return SYMTAB_OK;
	if (h->e_shnum == 0 || h->e_shnum >= SHN_LORESERVE ||
	    h->e_shentsize != sizeof(Elf64_Shdr) || !elf_image_holds(img, h->e_shoff, sz))
		return SYMTAB_BAD;
	img->shdrs = malloc(sz);
	if (!img->shdrs)
		return -ENOMEM;
	img->shdrs_cnt = h->e_shnum;
	return elf_image_read(img, h->e_shoff, img->shdrs, sz);
}

/* libelf says only that it failed; errno, set by what it called, says whether the system did. */
static int libelf_failed(void)
{
	return errno == ENOMEM || errno == EIO || errno == EBADF ? -errno : SYMTAB_BAD;
}

static int read_headers(struct elf_image *img, bool part)
{
	int r;

	r = elf_image_read(img, 0, &img->ehdr, sizeof(img->ehdr));
	if (r != SYMTAB_OK)
		return r;
	if (!is_ours(&img->ehdr, part))
		return SYMTAB_BAD;
	r = part && img->ehdr.e_phnum == 0 ? SYMTAB_OK : read_phdrs(img);
	if (r != SYMTAB_OK)
		return r;
	return read_shdrs(img);
}

int elf_image_init_memory(struct elf_image *img, const uint8_t *bytes, size_t sz)
{
	*img = (struct elf_image){ .fd = -EBADF, .bytes = bytes, .file_sz = sz };
	return read_headers(img, false);
}

int elf_image_init(struct elf_image *img, int fd, struct elf_reads *reads, uint64_t file_sz,
		   bool part)
{
	int r;

	*img = (struct elf_image){ .fd = fd, .reads = reads, .file_sz = file_sz };
	r = read_headers(img, part);
	if (r != SYMTAB_OK)
		return r;
	if (elf_version(EV_CURRENT) == EV_NONE)
		return -ENOSYS;
	errno = 0;
	img->elf = elf_begin(fd, ELF_C_READ, NULL);
	if (!img->elf)
		return libelf_failed();
	return elf_kind(img->elf) == ELF_K_ELF ? SYMTAB_OK : SYMTAB_BAD;
}

void elf_image_done(struct elf_image *img)
{
	elf_end(img->elf);
	free(img->phdrs);
	free(img->shdrs);
	*img = ELF_IMAGE_INIT;
}

int elf_image_data(const struct elf_image *img, uint64_t offset, uint64_t sz, Elf_Type type,
		   Elf_Data **ret)
{
	Elf_Data *data;

	if (!img->elf || sz > ELF_IMAGE_NOTE_MAX || !elf_image_holds(img, offset, sz) ||
	    offset > INT64_MAX - sz)
		return SYMTAB_BAD;
	errno = 0;
	data = elf_getdata_rawchunk(img->elf, (int64_t)offset, sz, type);
	if (!data)
		return libelf_failed();
	if (data->d_size != sz || (sz > 0 && !data->d_buf))
		return SYMTAB_BAD;
	*ret = data;
	return SYMTAB_OK;
}

bool elf_image_is_named(const struct elf_image *img, const Elf64_Shdr *s, const char *name)
{
	const Elf64_Shdr *names = &img->shdrs[img->ehdr.e_shstrndx];
	size_t sz = strlen(name) + 1;
	char buf[NAME_SZ];

	return sz <= sizeof(buf) && s->sh_name < names->sh_size &&
	       names->sh_size - s->sh_name >= sz && names->sh_offset <= UINT64_MAX - s->sh_name &&
	       elf_image_read(img, names->sh_offset + s->sh_name, buf, sz) == SYMTAB_OK &&
	       memcmp(buf, name, sz) == 0;
}

const Elf64_Shdr *elf_image_section(const struct elf_image *img, const char *name)
{
	if (img->ehdr.e_shstrndx >= img->shdrs_cnt)
		return NULL;
	for (uint32_t i = 0; i < img->shdrs_cnt; i++) {
		const Elf64_Shdr *s = &img->shdrs[i];

		if ((s->sh_type == SHT_PROGBITS || s->sh_type == SHT_X86_64_UNWIND) &&
		    elf_image_holds(img, s->sh_offset, s->sh_size) &&
		    elf_image_is_named(img, s, name))
			return s;
	}
	return NULL;
}

const Elf64_Phdr *elf_image_segment(const struct elf_image *img, uint64_t addr)
{
	for (uint32_t i = 0; i < img->phdrs_cnt; i++) {
		const Elf64_Phdr *p = &img->phdrs[i];

		if (p->p_type == PT_LOAD && addr >= p->p_vaddr && addr - p->p_vaddr < p->p_filesz &&
		    elf_image_holds(img, p->p_offset, p->p_filesz))
			return p;
	}
	return NULL;
}

bool elf_image_is_code(const struct elf_image *img, const Elf64_Shdr *s)
{
	const uint64_t code = SHF_ALLOC | SHF_EXECINSTR;

	return s->sh_type == SHT_PROGBITS && (s->sh_flags & code) == code &&
	       elf_image_holds(img, s->sh_offset, s->sh_size);
}

uint64_t elf_image_code_bytes(const struct elf_image *img)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < img->shdrs_cnt; i++)
		sum += elf_image_is_code(img, &img->shdrs[i]) ? img->shdrs[i].sh_size : 0;
	return sum;
}
