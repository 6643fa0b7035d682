/* SPDX-License-Identifier: Apache-2.0 */

/*
 * informed FILE — which stacks of a replay file lie in code that has unwinding information, and how many of
 * them reached their root: what libdw finds of .eh_frame and .debug_frame, the text of a Go program, the vDSO.
 *
 * Lines: "INFORMED WHOLE END SAMPLES PLACE", the two first 0 or 1, END the reason's name; PLACE is the frame
 * that has no information or, where all have it, the last one that was reached. Of a stack that is not whole
 * what was not reached is not known: it counts by what was.
 */

#include <elfutils/libdw.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cprof/decode.h"
#include "cprof/replay.h"

#define OBJECTS_MAX 4096
#define LINES_MAX 4096

struct file {
	char *path;
	struct object_segment *segments;
	size_t segments_cnt;
	Elf *elf;
	Dwarf_CFI *eh, *debug;
	GElf_Addr go_from, go_to; /* a Go program's text */
};

struct line {
	char *text;
	uint64_t samples;
};

struct informed {
	int fd;
	struct file files[OBJECTS_MAX];
	struct line lines[LINES_MAX];
	size_t lines_cnt;
};

static const struct {
	const char *name;
	int complete;
} ends[CPROF_END_MAX] = {
#define CPROF_END(name, value, complete, prose) [value] = { #name, complete },
#include "cprof/stack_ends.def"
};

/* Where Go's own table of functions speaks of the text. */
static void find_go(struct file *f)
{
	GElf_Shdr shdr, text = { 0 };
	Elf_Scn *scn = NULL;
	bool is_go = false;
	size_t names;

	if (elf_getshdrstrndx(f->elf, &names) < 0)
		return;
	while ((scn = elf_nextscn(f->elf, scn)) && gelf_getshdr(scn, &shdr)) {
		const char *name = elf_strptr(f->elf, names, shdr.sh_name);

		if (name && strcmp(name, ".text") == 0)
			text = shdr;
		is_go |= name && strstr(name, ".gopclntab");
	}
	if (!is_go)
		return;
	f->go_from = text.sh_addr;
	f->go_to = text.sh_addr + text.sh_size;
}

/* What cannot be opened has nothing. */
static void open_file(struct file *f)
{
	int fd = open(f->path, O_RDONLY | O_CLOEXEC);
	Dwarf *dwarf;

	f->elf = fd >= 0 ? elf_begin(fd, ELF_C_READ_MMAP, NULL) : NULL;
	if (!f->elf || elf_kind(f->elf) != ELF_K_ELF)
		return;
	f->eh = dwarf_getcfi_elf(f->elf);
	dwarf = dwarf_begin_elf(f->elf, DWARF_C_READ, NULL);
	f->debug = dwarf ? dwarf_getcfi(dwarf) : NULL;
	find_go(f);
}

static int add_object(struct informed *in, const struct replay_object *o)
{
	size_t segments_sz = o->segments_cnt * sizeof(struct object_segment);
	const char *path = (const char *)(o + 1) + segments_sz;
	struct file *f;

	if (o->id >= OBJECTS_MAX)
		return -E2BIG;
	f = &in->files[o->id];
	f->path = strndup(path, o->path_len);
	f->segments = malloc(segments_sz + 1);
	if (!f->path || !f->segments)
		return -ENOMEM;
	memcpy(f->segments, o + 1, segments_sz);
	f->segments_cnt = o->segments_cnt;
	if (f->path[0] == '/')
		open_file(f);
	return 0;
}

static bool has_entry(Dwarf_CFI *cfi, GElf_Addr addr)
{
	Dwarf_Frame *frame = NULL;
	bool found = cfi && dwarf_cfi_addrframe(cfi, addr, &frame) == 0;

	free(frame);
	return found;
}

/* Is there an entry for the instruction that runs, or that called? */
static bool is_informed(const struct informed *in, const struct cprof_frame *frame)
{
	uint64_t place = frame->offset - !(frame->flags & CPROF_FRAME_EXACT);
	const struct file *f = &in->files[frame->object % OBJECTS_MAX];

	if (frame->object == CPROF_OBJECT_VDSO)
		return true;
	for (size_t i = 0; i < f->segments_cnt; i++) {
		const struct object_segment *s = &f->segments[i];
		GElf_Addr addr = place - s->offset + s->vaddr;

		if (place >= s->offset && place - s->offset < s->filesz)
			return (addr >= f->go_from && addr < f->go_to) || has_entry(f->eh, addr) ||
			       has_entry(f->debug, addr);
	}
	return false;
}

static int add_line(struct informed *in, const char *text)
{
	for (size_t i = 0; i < in->lines_cnt; i++) {
		if (strcmp(in->lines[i].text, text) == 0) {
			in->lines[i].samples++;
			return 0;
		}
	}
	if (in->lines_cnt == LINES_MAX)
		return -E2BIG;
	in->lines[in->lines_cnt].text = strdup(text);
	in->lines[in->lines_cnt].samples = 1;
	return in->lines[in->lines_cnt++].text ? 0 : -ENOMEM;
}

static int add_sample(struct informed *in, const struct record *rec)
{
	const struct cprof_sample *s = rec->sample.head;
	const struct cprof_frame *frame = NULL;
	bool informed = true;
	char place[512] = "nowhere", text[640];

	if (s->user_end == CPROF_END_NONE)
		return 0; /* nothing of the user's */
	for (uint32_t i = 0; informed && i < s->user_cnt; i++) {
		frame = &rec->sample.user[i];
		informed = is_informed(in, frame);
	}
	/* Whole stacks that are alike but for their place are one line. */
	if (frame && !(informed && ends[s->user_end].complete))
		(void)snprintf(place, sizeof(place), "%s+0x%llx",
			       in->files[frame->object % OBJECTS_MAX].path
				       ? in->files[frame->object % OBJECTS_MAX].path
				       : "unknown",
			       frame->offset);
	(void)snprintf(text, sizeof(text), "%d %d %s %s", informed, ends[s->user_end].complete,
		       ends[s->user_end].name, place);
	return add_line(in, text);
}

static int take(enum replay_type type, const void *entry, void *ctx)
{
	struct informed *in = ctx;
	struct record rec;
	int r;

	if (type == REPLAY_OBJECT)
		return add_object(in, entry);
	if (type != REPLAY_RECORDS)
		return 0;
	r = decode_record(entry, ((const struct cprof_head *)entry)->size, &rec);
	return r < 0 || rec.type != CPROF_RECORD_SAMPLE ? r : add_sample(in, &rec);
}

static ssize_t read_file(void *dst, size_t sz, void *ctx)
{
	const struct informed *in = ctx;
	ssize_t n = read(in->fd, dst, sz);

	return n < 0 ? -errno : n;
}

int main(int argc, char **argv)
{
	static struct informed in;
	const struct replay_reader_opts opts = { .read = read_file, .entry = take, .ctx = &in };
	struct replay_fault fault = { 0 };
	int r;

	in.fd = argc == 2 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
	if (in.fd < 0) {
		(void)fprintf(stderr, "usage: informed FILE\n");
		return 2;
	}
	(void)elf_version(EV_CURRENT);
	r = replay_read(&opts, &fault);
	if (r < 0) {
		(void)fprintf(stderr, "informed: %s: %s %s\n", argv[1], strerror(-r), fault.text);
		return 1;
	}
	for (size_t i = 0; i < in.lines_cnt; i++) {
		const char *t = in.lines[i].text, *place = strchr(t + 4, ' ');

		(void)printf("%.*s %" PRIu64 "%s\n", (int)(place - t), t, in.lines[i].samples,
			     place);
	}
	return 0;
}
