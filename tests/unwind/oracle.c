/* SPDX-License-Identifier: Apache-2.0 */

/*
 * oracle FILE... — each stack of files that `cprofctl record --raw --with-memory` wrote, unwound by libdw from
 * the ELF files of this machine, and held against our walk over the rows in the file, frame by frame: pc
 * and stack pointer.
 *
 * Both go as far as the kept memory does. A line for each way in which stacks are not the same, with how
 * many they are, where the two part and an example; then one line of sums, for a script.
 */

#include <dwarf.h>
#include <elfutils/libdwelf.h>
#include <elfutils/libdwfl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "case-walk.h"
#include "cprof/base/cleanup.h"
#include "cprof/base/vec.h"

#define PLACE_SZ 120

struct module {
	uint64_t start, end; /* of the mapping */
	uint32_t object;
};

/* What libdw knows of one process; a new program in it is another one. */
struct process {
	uint64_t start_ns;
	uint32_t pid;
	uint32_t exec;
	Dwfl *dwfl;
	VEC(struct module) modules;
};

struct theirs_frame {
	uint64_t pc, sp;
	bool sp_known;
};

struct theirs {
	struct theirs_frame frames[CPROF_USER_FRAMES_MAX];
	uint32_t cnt;
	bool beyond;	   /* memory was asked for that is not kept */
	const char *error; /* NULL: it came to an end */
};

/* One way in which stacks are not the same. */
struct kind {
	char text[240];
	char example[240];
	uint64_t cnt;
};

struct oracle {
	const char *path;
	bool begun;
	uint64_t stacks, frames, equal, ours_longer, theirs_longer, differ, cut;
	VEC(struct process) processes;
	VEC(struct kind) kinds;
	const struct case_stack *stack; /* at hand */
	struct theirs theirs;
	struct case_walked ours;
	Elf *self; /* tells libdw what machine this is */
};

static const Dwfl_Callbacks dwfl_callbacks = {
	.find_debuginfo = dwfl_standard_find_debuginfo,
	.section_address = dwfl_offline_section_address,
};

static bool on_memory(Dwfl *dwfl, Dwarf_Addr addr, Dwarf_Word *result, void *arg)
{
	struct oracle *o = arg;
	const struct cprof_kept *k = o->stack->kept;

	if (addr < k->stack_addr || k->stack_sz < sizeof(*result) ||
	    addr - k->stack_addr > k->stack_sz - sizeof(*result)) {
		o->theirs.beyond = true;
		return false;
	}
	memcpy(result, (const char *)o->stack->memory + (addr - k->stack_addr), sizeof(*result));
	return true;
}

static pid_t on_next_thread(Dwfl *dwfl, void *arg, void **thread_arg)
{
	if (*thread_arg)
		return 0;
	*thread_arg = arg;
	return 1;
}

static bool on_get_thread(Dwfl *dwfl, pid_t tid, void *arg, void **thread_arg)
{
	*thread_arg = arg;
	return true;
}

static bool on_registers(Dwfl_Thread *thread, void *arg)
{
	const struct cprof_kept *k = ((struct oracle *)arg)->stack->kept;
	Dwarf_Word regs[17];

	for (int i = 0; i < 16; i++)
		regs[i] = k->regs[i];
	regs[16] = k->pc;
	return dwfl_thread_state_registers(thread, 0, 17, regs);
}

static const Dwfl_Thread_Callbacks thread_callbacks = {
	.next_thread = on_next_thread,
	.get_thread = on_get_thread,
	.memory_read = on_memory,
	.set_initial_registers = on_registers,
};

/* Our own is every process's, as long as the kernel runs. */
static int open_vdso(void)
{
	const void *at = (const void *)getauxval(AT_SYSINFO_EHDR);
	int fd = memfd_create("vdso", MFD_CLOEXEC);

	if (!at || fd < 0 || write(fd, at, 2 * 4096) != 2 * 4096) {
		if (fd >= 0)
			(void)close(fd);
		return -1;
	}
	return fd;
}

/* The file that was mapped, by its build id where it has one; else -1. */
static int open_object(const struct case_object *object)
{
	const void *id = NULL;
	int fd = open(object->path, O_RDONLY | O_CLOEXEC), n;
	Elf *elf = fd >= 0 ? elf_begin(fd, ELF_C_READ_MMAP, NULL) : NULL;

	n = elf ? dwelf_elf_gnu_build_id(elf, &id) : -1;
	if (n >= 0 && (n != object->build_id_sz || memcmp(id, object->build_id, (size_t)n) != 0))
		n = -1;
	if (elf)
		elf_end(elf);
	if (n >= 0)
		return fd;
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

/* How far the file's addresses are from the process's. */
static bool find_bias(int fd, const struct cprof_kept_map *map, uint64_t *ret)
{
	Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	bool found = false;
	size_t cnt;

	if (!elf || elf_getphdrnum(elf, &cnt) < 0)
		cnt = 0;
	for (size_t i = 0; !found && i < cnt; i++) {
		GElf_Phdr mem, *p = gelf_getphdr(elf, (int)i, &mem);
		const uint64_t begin = p ? p->p_offset & ~4095ull : 0;

		found = p && p->p_type == PT_LOAD && (p->p_flags & PF_X) && map->base >= begin &&
			map->base < p->p_offset + p->p_filesz;
		if (found)
			*ret = map->start - (p->p_vaddr + (map->base - p->p_offset));
	}
	if (elf)
		elf_end(elf);
	return found;
}

/* Each file is reported once, whatever of it is mapped. */
static bool has_object(const struct process *p, uint32_t object)
{
	for (size_t i = 0; i < p->modules.cnt; i++)
		if (p->modules.v[i].object == object)
			return true;
	return false;
}

static void report(struct process *p, const struct case_file *f, const struct cprof_kept_map *map)
{
	const struct case_object *object = case_object(f, map->object);
	const bool is_vdso = map->object == CPROF_OBJECT_VDSO;
	uint64_t bias;
	int fd;

	if (has_object(p, map->object) || !object || (!is_vdso && map->object < CPROF_OBJECT_FIRST))
		return;
	fd = is_vdso ? open_vdso() : open_object(object);
	if (fd < 0)
		return;
	dwfl_report_begin_add(p->dwfl);
	if (!find_bias(fd, map, &bias) ||
	    !dwfl_report_elf(p->dwfl, is_vdso ? "[vdso]" : object->path, object->path, fd, bias,
			     true))
		(void)close(fd);
	(void)dwfl_report_end(p->dwfl, NULL, NULL);
}

/* True when it is there, or now is. */
static bool meet(struct process *p, const struct case_file *f, const struct cprof_kept_map *map)
{
	for (size_t i = 0; i < p->modules.cnt; i++) {
		const struct module *m = &p->modules.v[i];

		if (map->start == m->start && map->object == m->object)
			return true;
		if (map->start < m->end && m->start < map->end)
			return false;
	}
	report(p, f, map);
	return vec_push(&p->modules, (struct module){ map->start, map->end, map->object }) == 0;
}

static Dwfl *open_dwfl(struct oracle *o)
{
	Dwfl *dwfl = dwfl_begin(&dwfl_callbacks);

	if (!dwfl || !dwfl_attach_state(dwfl, o->self, 1, &thread_callbacks, o)) {
		fprintf(stderr, "oracle: libdw: %s\n", dwfl_errmsg(-1));
		exit(1);
	}
	return dwfl;
}

static void process_reset(struct oracle *o, struct process *p)
{
	dwfl_end(p->dwfl);
	p->dwfl = open_dwfl(o);
	p->modules.cnt = 0;
}

static struct process *process_of(struct oracle *o, const struct case_sample *s)
{
	struct process p = { .start_ns = s->start_ns, .pid = s->pid, .exec = s->exec };

	for (size_t i = 0; i < o->processes.cnt; i++) {
		struct process *have = &o->processes.v[i];

		if (have->pid == p.pid && have->start_ns == p.start_ns && have->exec == p.exec)
			return have;
	}
	p.dwfl = open_dwfl(o);
	if (!p.dwfl || vec_push(&o->processes, p) < 0)
		return NULL;
	return &o->processes.v[o->processes.cnt - 1];
}

/* With all that the stack may lead through; what was mapped where something else is now goes. */
static struct process *prepare(struct oracle *o, const struct case_file *f)
{
	struct process *p = process_of(o, o->stack->sample);
	bool fits = p;

	for (int turn = 0; p && turn < 2; turn++) {
		fits = true;
		for (uint32_t i = 0; fits && i < o->stack->kept->maps_cnt; i++)
			fits = meet(p, f, &o->stack->maps[i]);
		if (fits)
			break;
		process_reset(o, p);
	}
	return fits ? p : NULL;
}

static int on_frame(Dwfl_Frame *state, void *arg)
{
	struct theirs *t = &((struct oracle *)arg)->theirs;
	struct theirs_frame *to = &t->frames[t->cnt];
	Dwarf_Word sp = 0;

	if (t->cnt == CPROF_USER_FRAMES_MAX || !dwfl_frame_pc(state, &to->pc, NULL))
		return DWARF_CB_ABORT;
	to->sp_known = dwfl_frame_reg(state, CPROF_REG_RSP, &sp) == 0;
	to->sp = sp;
	t->cnt++;
	return DWARF_CB_OK;
}

static void ask(struct oracle *o, struct process *p)
{
	int r;

	o->theirs.cnt = 0;
	o->theirs.beyond = false;
	o->theirs.error = NULL;
	(void)dwfl_errno();
	r = dwfl_getthread_frames(p->dwfl, 1, on_frame, o);
	if (r < 0)
		o->theirs.error = dwfl_errmsg(-1);
}

static const char *way_name(unsigned int way)
{
	static const char *const names[CASE_WAY_MAX] = { "-", "a rule", "a signal frame",
							 "its frame pointer", "the system call" };

	return names[way];
}

/* Where a frame of ours is: the file's name, and the function if libdw knows it. */
static void place_of(const struct oracle *o, const struct process *p, const struct case_file *f,
		     uint32_t i, char dst[static PLACE_SZ])
{
	const struct case_frame *at = &o->ours.frames[i];
	const struct case_object *object = case_object(f, at->object);
	Dwfl_Module *mod = dwfl_addrmodule(p->dwfl, at->pc - !at->exact);
	const char *path = object && object->path ? object->path : "";
	const char *name = mod ? dwfl_module_addrname(mod, at->pc - !at->exact) : NULL;
	const char *base = strrchr(path, '/');

	if (at->object == CPROF_OBJECT_VDSO)
		path = "[vdso]";
	(void)snprintf(dst, PLACE_SZ, "%s%s%s%s", mod ? "" : "(unknown to libdw) ",
		       name ? name : "", name ? " in " : "",
		       base    ? base + 1
		       : *path ? path
			       : "no file");
}

static void note(struct oracle *o, const char *text, const char *example)
{
	struct kind k = { .cnt = 1 };

	for (size_t i = 0; i < o->kinds.cnt; i++) {
		if (strcmp(o->kinds.v[i].text, text) == 0) {
			o->kinds.v[i].cnt++;
			return;
		}
	}
	(void)snprintf(k.text, sizeof(k.text), "%s", text);
	(void)snprintf(k.example, sizeof(k.example), "%s", example);
	if (vec_push(&o->kinds, k) < 0)
		abort();
}

/* The first frame in which the two are not the same, or where one of them ends. */
static uint32_t first_other(const struct oracle *o)
{
	uint32_t i = 0;

	while (i < o->ours.cnt && i < o->theirs.cnt) {
		const struct case_frame *a = &o->ours.frames[i];
		const struct theirs_frame *b = &o->theirs.frames[i];

		if (a->pc != b->pc || (b->sp_known && a->sp != b->sp))
			break;
		i++;
	}
	return i;
}

static bool is_code(const struct case_stack *s, uint64_t pc)
{
	const struct cprof_kept_map *m = case_map(s, pc - 1);

	return m && m->exec;
}

static void explain(struct oracle *o, const struct process *p, const struct case_file *f,
		    uint32_t i)
{
	const struct case_walked *w = &o->ours;
	const struct theirs *t = &o->theirs;
	char text[240], place[PLACE_SZ], example[240];

	place_of(o, p, f, i > 0 ? i - 1 : 0, place);
	(void)snprintf(
		example, sizeof(example),
		"%s, pid %u, cpu %u, seq %llu, frame %u: ours %llx sp %llx, theirs %llx sp %llx",
		o->stack->sample->comm, o->stack->sample->pid, o->stack->kept->cpu,
		(unsigned long long)o->stack->kept->seq, i,
		i < w->cnt ? (unsigned long long)w->frames[i].pc : 0,
		i < w->cnt ? (unsigned long long)w->frames[i].sp : 0,
		i < t->cnt ? (unsigned long long)t->frames[i].pc : 0,
		i < t->cnt ? (unsigned long long)t->frames[i].sp : 0);
	if (i < w->cnt && i < t->cnt) {
		o->differ++;
		(void)snprintf(text, sizeof(text), "other caller of %s, ours by %s", place,
			       way_name(w->frames[i].way));
	} else if (i < w->cnt) {
		o->ours_longer++;
		(void)snprintf(text, sizeof(text), "libdw ends in %s (%s), ours goes on by %s",
			       place,
			       t->beyond  ? "memory not kept"
			       : t->error ? t->error
					  : "its root",
			       way_name(w->frames[i].way));
	} else if (o->stack->kept->flags & CPROF_KEPT_MAPS_CUT && w->end == CPROF_END_NO_CODE) {
		o->cut++;
		return;
	} else {
		o->theirs_longer++;
		(void)snprintf(text, sizeof(text), "ours ends in %s (%s%s), libdw goes on%s", place,
			       case_end_name(w->end), w->beyond ? ", memory not kept" : "",
			       is_code(o->stack, t->frames[i].pc) ? "" : " to what is no code");
	}
	note(o, text, example);
}

static void compare(struct oracle *o, const struct process *p, const struct case_file *f)
{
	uint32_t i = first_other(o);

	o->stacks++;
	o->frames += i;
	if (i == o->ours.cnt && i == o->theirs.cnt)
		o->equal++;
	else
		explain(o, p, f, i);
}

static void on_stack(const struct case_file *f, const struct case_stack *s, void *ctx)
{
	struct oracle *o = ctx;
	struct process *p;

	if (!o->begun)
		case_walk_begin(f);
	o->begun = true;
	if (!s->sample)
		return;
	o->stack = s;
	case_walk(s, &o->ours);
	p = prepare(o, f);
	if (!p)
		return;
	ask(o, p);
	compare(o, p, f);
}

static int by_cnt(const void *a, const void *b)
{
	const struct kind *x = a, *y = b;

	return x->cnt < y->cnt ? 1 : x->cnt > y->cnt ? -1 : 0;
}

static int look(struct oracle *o, const char *path)
{
	int r;

	o->path = path;
	o->begun = false;
	r = case_file_read(path, on_stack, o);
	if (o->begun)
		case_walk_end();
	for (size_t i = 0; i < o->processes.cnt; i++) {
		dwfl_end(o->processes.v[i].dwfl);
		vec_done(&o->processes.v[i].modules);
	}
	o->processes.cnt = 0;
	return r;
}

int main(int argc, char **argv)
{
	static struct oracle o;
	int r = argc < 2 ? -1 : 0;

	elf_version(EV_CURRENT);
	o.self = elf_begin(open("/proc/self/exe", O_RDONLY | O_CLOEXEC), ELF_C_READ, NULL);
	for (int i = 1; i < argc; i++)
		if (look(&o, argv[i]) < 0)
			r = -1;
	if (o.kinds.cnt > 0)
		qsort(o.kinds.v, o.kinds.cnt, sizeof(*o.kinds.v), by_cnt);
	for (size_t i = 0; i < o.kinds.cnt; i++)
		printf("%llu\t%s\t%s\n", (unsigned long long)o.kinds.v[i].cnt, o.kinds.v[i].text,
		       o.kinds.v[i].example);
	printf("stacks %llu equal %llu differ %llu ours_longer %llu theirs_longer %llu cut %llu "
	       "frames %llu\n",
	       (unsigned long long)o.stacks, (unsigned long long)o.equal,
	       (unsigned long long)o.differ, (unsigned long long)o.ours_longer,
	       (unsigned long long)o.theirs_longer, (unsigned long long)o.cut,
	       (unsigned long long)o.frames);
	vec_done(&o.processes);
	vec_done(&o.kinds);
	return r < 0;
}
