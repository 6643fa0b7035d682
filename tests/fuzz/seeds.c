/* SPDX-License-Identifier: Apache-2.0 */

/*
 * seeds — writes one small valid input per kind of message below the directory given, from which the
 * fuzzers start. Run it when a layout changes, and commit what it wrote; --check, a test, tells when
 * that was forgotten: seeds of an old layout are refused at the gate and exercise nothing.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>

#include "cprof/base/cleanup.h"
#include "cprof/control.h"
#include "cprof/rows.h"
#include "cprof/session.h"
#include "cprof/wire.h"
#include "jitdump-fixture.h"
#include "late-fixture.h"
#include "replay-fixture.h"
#include "seeds.h"

/* Where seeds go to, or what they are compared with. */
struct corpus {
	char dir[PATH_MAX];
	bool check;
};

static int check_seed(const char *path, const void *bytes, size_t sz)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ void *have = malloc(sz + 1);

	if (fd < 0 || !have || read(fd, have, sz + 1) != (ssize_t)sz ||
	    memcmp(have, bytes, sz) != 0) {
		fprintf(stderr, "seeds: %s: a layout changed; run tests/fuzz/seeds again\n", path);
		return -EINVAL;
	}
	return 0;
}

static int write_seed(const struct corpus *to, const char *name, const void *bytes, size_t sz)
{
	_cleanup_close_ int fd = -EBADF;
	char path[PATH_MAX + 32];

	snprintf(path, sizeof(path), "%s/%s", to->dir, name);
	if (to->check)
		return check_seed(path, bytes, sz);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, bytes, sz) != (ssize_t)sz) {
		fprintf(stderr, "seeds: %s: %s\n", path, strerror(errno));
		return -EIO;
	}
	return 0;
}

static int write_group(const struct corpus *to)
{
	const struct cprof_cgroup group = { .head = { .size = sizeof(group),
						      .version = CPROF_ABI_VERSION,
						      .type = CPROF_RECORD_CGROUP },
					    .id = 77,
					    .parent = 1,
					    .name_len = 9,
					    .name = "a.service" };

	return write_seed(to, "cgroup", &group, sizeof(group));
}

/* What is kept of the sample above, and the stack that another walk made of it. */
static int write_late(const struct corpus *to)
{
	const struct cprof_kept kept = { .seq = 1,
					 .pc = 0x401234,
					 .regs = { [CPROF_REG_RSP] = 0x7ffc00001000 },
					 .stack_addr = 0x7ffc00001000,
					 .stack_sz = 32,
					 .maps_cnt = 2,
					 .keys_cnt = 1,
					 .flags = CPROF_KEPT_MAPS_CUT };
	const struct kept_body kept_body = {
		.maps = (const struct cprof_kept_map[]){ { 0x401000, 0x402000, 0x1000,
							   CPROF_OBJECT_KEY, 1 },
							 { 0x7f0000001000, 0x7f0000002000,
							   0x7f0000001000, CPROF_OBJECT_ANON, 1 } },
		.keys = (const struct cprof_key[]){ { .sb = 1, .ino = 7 } },
		.stack = (const __u64[]){ 0, 0x401300, 0, 0x7f0000001100 },
	};
	const struct cprof_rest rest = {
		.seq = 1, .user_cnt = 2, .keys_cnt = 1, .user_end = CPROF_END_ROOT
	};
	const struct rest_body rest_body = {
		.user = (const struct cprof_frame[]){ { 0x1000, CPROF_OBJECT_KEY, 1 },
						      { 0x2000, 17, 0 } },
		.keys = kept_body.keys,
	};
	static struct kept k;
	static struct rest r;
	int e;

	kept_build(&k, &kept, &kept_body);
	rest_build(&r, &rest, &rest_body);
	e = write_seed(to, "kept", k.bytes, k.sz);
	return e == 0 ? write_seed(to, "rest", r.bytes, r.sz) : e;
}

/* A sample, what was kept of its stack, and the stack that another walk made of it, at @bytes. */
static size_t build_late(unsigned char *bytes, const struct cprof_kept *kept)
{
	const struct cprof_sample head = { .seq = kept->seq,
					   .pid = 42,
					   .kernel_cnt = 1,
					   .user_cnt = 1,
					   .user_end = CPROF_END_NO_ROWS,
					   .flags = CPROF_SAMPLE_LATE };
	const struct cprof_frame frames[] = { { 0x1100, 20, CPROF_FRAME_EXACT },
					      { 0x1200, 21, 0 } };
	const struct cprof_rest rest = { .seq = kept->seq,
					 .user_cnt = 2,
					 .user_end = CPROF_END_ROOT };
	static struct sample s;
	static struct kept k;
	static struct rest r;

	sample_build(&s, &head,
		     &(struct sample_body){ .kernel = (const __u64[]){ 0xffffffff81000000 },
					    .user = frames });
	late_kept_build(&k, kept);
	rest_build(&r, &rest, &(struct rest_body){ .user = frames });
	memcpy(bytes, s.bytes, s.sz);
	memcpy(bytes + s.sz, k.bytes, k.sz);
	memcpy(bytes + s.sz + k.sz, r.bytes, r.sz);
	return s.sz + k.sz + r.sz;
}

static int write_walks(const struct corpus *to)
{
	static unsigned char bytes[4 * sizeof(struct kept)];
	size_t sz = build_late(bytes, &(struct cprof_kept){ .seq = 1 });
	int r = write_seed(to, "whole", bytes, sz);

	sz += build_late(bytes + sz, &(struct cprof_kept){ .seq = 2, .stack_sz = 40 });
	sz += build_late(bytes + sz, &(struct cprof_kept){ .seq = 3, .syscall = 1 });
	return r == 0 ? write_seed(to, "three", bytes, sz) : r;
}

static int write_decode(const struct corpus *to)
{
	const struct cprof_sample head = { .weight_ns = 10101010,
					   .start_ns = 5,
					   .pid = 42,
					   .tid = 43,
					   .exec = 1,
					   .exe = CPROF_OBJECT_KEY + 1,
					   .kernel_cnt = 2,
					   .user_cnt = 3,
					   .interp_cnt = 1,
					   .keys_cnt = 2,
					   .kernel_end = CPROF_END_ROOT,
					   .user_end = CPROF_END_FP_ZERO,
					   .comm = "thread",
					   .process_comm = "worker" };
	const struct cprof_sample kthread = { .pid = 2,
					      .cred = CPROF_CRED_KTHREAD,
					      .kernel_cnt = 2,
					      .kernel_end = CPROF_END_ROOT,
					      .process_comm = "kthreadd" };
	const struct sample_body body = {
		.kernel = (const __u64[]){ 0xffffffff81000000, 0xffffffff81000100 },
		.user = (const struct cprof_frame[]){ { 0x1000, CPROF_OBJECT_KEY, 1 },
						      { 0x2000, CPROF_OBJECT_KEY + 1, 0 },
						      { 0x7f0000001000, CPROF_OBJECT_ANON, 0 } },
		.interp = (const struct cprof_frame[]){ { 1, CPROF_OBJECT_KEY, 0 } },
		.keys = (const struct cprof_key[]){ { .sb = 1, .ino = 7 }, { .sb = 1, .ino = 8 } },
	};
	const struct cprof_announce announce = { .head = { .size = sizeof(announce),
							   .version = CPROF_ABI_VERSION,
							   .type = CPROF_RECORD_OBJECT },
						 .key = { .ino = 7 },
						 .vm_start = 0x400000,
						 .vm_end = 0x401000,
						 .pid = 42 };
	const struct cprof_exit gone = { .head = { .size = sizeof(gone),
						   .version = CPROF_ABI_VERSION,
						   .type = CPROF_RECORD_EXIT },
					 .start_ns = 5,
					 .cpu_ns = 1000,
					 .pid = 42,
					 .exec = 1 };
	static unsigned char both[2 * SAMPLE_BYTES_MAX];
	static struct sample s, k;
	size_t sz = 0;
	int r;

	sample_build(&s, &head, &body);
	sample_build(&k, &kthread, &body);
	r = write_seed(to, "sample", s.bytes, s.sz);
	if (r == 0)
		r = write_seed(to, "announce", &announce, sizeof(announce));
	if (r == 0)
		r = write_seed(to, "exit", &gone, sizeof(gone));
	if (r == 0)
		r = write_group(to);
	if (r == 0)
		r = write_late(to);
	/* The same stack twice, a kernel thread, and the end of the first process. */
	for (int i = 0; i < 2; i++, sz += s.sz)
		memcpy(both + sz, s.bytes, s.sz);
	memcpy(both + sz, k.bytes, k.sz);
	sz += k.sz;
	memcpy(both + sz, &gone, sizeof(gone));
	sz += sizeof(gone);
	return r == 0 ? write_seed(to, "stream", both, sz) : r;
}

static int write_head(const struct corpus *to, const char *name, uint16_t type)
{
	const struct wire_head h = { .size = sizeof(h), .type = type, .id = 1 };

	return write_seed(to, name, &h, sizeof(h));
}

static int write_named(const struct corpus *to)
{
	static const struct wire_line_view lines[] = {
		{ .name = "main", .name_len = 4, .file = "/src/main.c", .file_len = 11, .line = 7 },
		{ .name = "foo(int)", .name_len = 8, .linkage = "_Z3fooi", .linkage_len = 7 },
	};
	_Alignas(8) unsigned char buf[512] = { 0 };
	struct wire_named *m = (struct wire_named *)buf;
	struct wire_named_writer writer;

	m->head = (struct wire_head){ .size = sizeof(*m), .type = WIRE_NAMED, .id = 1 };
	m->object = 16;
	wire_named_writer_init(&writer, m, sizeof(buf));
	for (size_t cnt = 0; cnt <= ELEMENTSOF(lines); cnt++)
		if (wire_named_add(&writer, 0x1000 * cnt, lines, cnt) < 0)
			return -ENOSPC;
	return write_seed(to, "named", m, m->head.size);
}

static int write_wire_companions(const struct corpus *to)
{
	const struct wire_companion_want want = {
		.kind = WIRE_COMPANION_UNIT, .name_len = 7, .dir_len = 4, .build_id_sz = 20
	};
	const struct {
		struct wire_companion m;
		char texts[16];
	} word = { { { 72 + 11, WIRE_COMPANION, 0, 16 }, WIRE_COMPANION_WANTED, 0, want },
		   "o/x.dwo/src" };
	const struct {
		struct wire_open_companion m;
		char texts[24];
	} ask = { { { 88 + 20, WIRE_OPEN_COMPANION, 0, 16 }, 5, 42, 0, 0, 9, want },
		  "o/x.dwo/src/usr/bi/x" };
	const struct wire_companion_opened opened = {
		{ sizeof(opened), WIRE_COMPANION_OPENED, 0, 16 }, WIRE_OPENED_OK, 1, 0, 0
	};
	int r = 0;

	r = r ? r : write_head(to, "next-companion", WIRE_NEXT_COMPANION);
	r = r ? r : write_seed(to, "companion", &word, word.m.head.size);
	r = r ? r : write_seed(to, "open-companion", &ask, ask.m.head.size);
	return r ? r : write_seed(to, "companion-opened", &opened, sizeof(opened));
}

static int write_wire_pages(const struct corpus *to)
{
	const struct {
		struct wire_make_pages m;
		uint32_t pages[2];
	} pages = { { { sizeof(pages), WIRE_MAKE_PAGES, 0, 16 }, .cnt = 2 }, { 3, 77 } };

	return write_seed(to, "make-pages", &pages, sizeof(pages));
}

static int write_wire_lists(const struct corpus *to)
{
	const struct {
		struct wire_opened m;
		char path[16];
	} opened = { { { 24 + 13, WIRE_OPENED, 0, 16 }, WIRE_OPENED_OK, 13 }, "/usr/bin/true" };
	const struct {
		struct wire_names m;
		uint64_t offsets[2];
	} names = { { { sizeof(names), WIRE_NAMES, 0, 1 }, 16, 2 }, { 0x1000, 0x2000 } };
	int r;

	r = write_seed(to, "opened", &opened, opened.m.head.size);
	if (r == 0)
		r = write_seed(to, "names", &names, sizeof(names));
	if (r == 0)
		r = write_wire_companions(to);
	if (r == 0)
		r = write_wire_pages(to);
	return r == 0 ? write_named(to) : r;
}

/* What the launcher tells the roles of the daemon, and hears from its sampler. */
static int write_wire_daemon(const struct corpus *to)
{
	struct wire_config config = { .head = { sizeof(config), WIRE_CONFIG, 0, 0 },
				      .control_gid = UINT32_MAX };
	const struct wire_listen sock = { { sizeof(sock), WIRE_LISTEN, 0, 0 },
					  WIRE_LISTEN_SESSION,
					  0 };
	const struct wire_roles roles = { .head = { sizeof(roles), WIRE_ROLES, 0, 0 },
					  .cnt = 2,
					  .costs = { { .role = 0, .pid = 1 },
						     { .role = WIRE_ROLE_FRONT, .pid = 2 } },
					  .problem_len = 7,
					  .problem = "no file" };
	const struct wire_state state = { .head = { sizeof(state), WIRE_STATE, 0, 0 },
					  .kind = WIRE_STATE_DEGRADED,
					  .text_len = 4,
					  .text = "slow" };
	int r = 0;

	config_defaults(&config.config);
	r = r ? r : write_seed(to, "config", &config, sizeof(config));
	r = r ? r : write_seed(to, "listen", &sock, sizeof(sock));
	r = r ? r : write_seed(to, "roles", &roles, sizeof(roles));
	r = r ? r : write_seed(to, "state", &state, sizeof(state));
	r = r ? r : write_head(to, "spool", WIRE_SPOOL);
	return r ? r : write_head(to, "progress", WIRE_PROGRESS);
}

static int write_control(const struct corpus *to)
{
	const struct control_status status = { .head = { sizeof(status), CONTROL_STATUS, 0, 1 },
					       .version = "0.1.0",
					       .event = "cpu-clock",
					       .degraded_cnt = 1,
					       .degraded = { "slow" },
					       .counters_cnt = COUNTER_MAX,
					       .roles_cnt = 1 };
	const struct control_client client = { .head = { sizeof(client), CONTROL_CLIENT, 0, 1 },
					       .uid = 1000 };
	const struct control_processes list = { .head = { sizeof(list), CONTROL_PROCESSES, 0, 1 },
						.cnt = 1 };
	const struct control_process process = {
		.samples = 5, .complete = 4, .pid = 42, .comm = "worker", .unit = "a.service"
	};
	int r = 0;

	r = r ? r : write_head(to, "ask-status", CONTROL_STATUS);
	r = r ? r : write_head(to, "ask-processes", CONTROL_PROCESSES);
	r = r ? r : write_seed(to, "status", &status, sizeof(status));
	r = r ? r : write_seed(to, "client", &client, sizeof(client));
	r = r ? r : write_seed(to, "processes", &list, sizeof(list));
	return r ? r : write_seed(to, "process", &process, sizeof(process));
}

static int write_wire(const struct corpus *to)
{
	const struct wire_peer peer = { { sizeof(peer), WIRE_PEER, 0, 0 }, WIRE_ROLE_OPENER, 0 };
	const struct wire_open ask = { .head = { sizeof(ask), WIRE_OPEN, 0, 16 }, .pid = 42 };
	const struct wire_file file = { { sizeof(file), WIRE_FILE, 0, 16 }, 4096, 0, 0 };
	const struct wire_object object = { .head = { sizeof(object), WIRE_OBJECT, 0, 16 },
					    .elf = OBJECT_ELF_DYN,
					    .segments_cnt = 1,
					    .build_id_sz = 20,
					    .segments = { { 0x1000, 0x1000, 0x2000 } } };
	const struct wire_rows rows = { .head = { sizeof(rows), WIRE_ROWS, 0, 16 },
					.part = WIRE_PART_ALL,
					.bytes = 56,
					.link_len = 7,
					.link = "x.debug" };
	const struct {
		struct wire_open_debug m;
		char texts[16];
	} debug = { { .head = { sizeof(debug), WIRE_OPEN_DEBUG, 0, 16 },
		      .pid = 42,
		      .link_len = 7,
		      .path_len = 9,
		      .build_id_sz = 20 },
		    "x.debug/usr/bi/x" };
	const struct wire_sandbox sandbox = { .head = { sizeof(sandbox), WIRE_SANDBOX, 0, 0 },
					      .layers = WIRE_LAYER_CALLS,
					      .missing = WIRE_LAYER_PATHS };
	const struct wire_debug_opened found = { { sizeof(found), WIRE_DEBUG_OPENED, 0, 16 },
						 WIRE_OPENED_OK,
						 1 };
	const struct {
		struct wire_maps m;
		uint64_t addresses[2];
	} maps = { { .head = { sizeof(maps), WIRE_MAPS, 0, 1 },
		     .start_ns = 5,
		     .exe = { .ino = 7 },
		     .pid = 42,
		     .cnt = 2 },
		   { 0x1000, 0x2000 } };
	const struct {
		struct wire_mapped m;
		struct wire_range ranges[3];
	} mapped = { { { sizeof(mapped), WIRE_MAPPED, 0, 1 }, WIRE_OPENED_OK, 3 },
		     { { .start = 0x1000,
			 .end = 0x2000,
			 .key = { .ino = 7 },
			 .kind = WIRE_RANGE_FILE,
			 .fs_magic = 0xef53,
			 .mode = 0100755 },
		       { .kind = WIRE_RANGE_NONE },
		       { .kind = WIRE_RANGE_UNKNOWN } } };
	int r = 0;

	r = r ? r : write_seed(to, "maps", &maps, sizeof(maps));
	r = r ? r : write_seed(to, "mapped", &mapped, sizeof(mapped));
	r = r ? r : write_head(to, "kallsyms", WIRE_KALLSYMS);
	r = r ? r : write_head(to, "stop", WIRE_STOP);
	r = r ? r : write_head(to, "ready", WIRE_READY);
	r = r ? r : write_head(to, "forget", WIRE_FORGET);
	r = r ? r : write_seed(to, "peer", &peer, sizeof(peer));
	r = r ? r : write_seed(to, "open", &ask, sizeof(ask));
	r = r ? r : write_seed(to, "file", &file, sizeof(file));
	r = r ? r : write_seed(to, "object", &object, sizeof(object));
	r = r ? r : write_seed(to, "rows", &rows, sizeof(rows));
	r = r ? r : write_seed(to, "open-debug", &debug, sizeof(debug));
	r = r ? r : write_seed(to, "debug-opened", &found, sizeof(found));
	r = r ? r : write_seed(to, "sandbox", &sandbox, sizeof(sandbox));
	r = r ? r : write_wire_daemon(to);
	return r ? r : write_wire_lists(to);
}

static int write_session(const struct corpus *to)
{
	const struct session_start start = { .head = { sizeof(start), SESSION_START, 0, 1 },
					     .flags = SESSION_TREE,
					     .hz = 99,
					     .pids_cnt = 2,
					     .pids = { 1, 42 } };
	struct session_start full = start;
	const struct session_started started = { .head = { sizeof(started), SESSION_STARTED, 0, 1 },
						 .hz = 99,
						 .cpus = 2 };
	const struct session_progress progress = {
		.head = { sizeof(progress), SESSION_PROGRESS, 0, 1 }, .samples = 5
	};
	const struct session_profile profile = { .head = { sizeof(profile), SESSION_PROFILE, 0, 1 },
						 .pid = 42,
						 .comm = "worker" };
	const struct session_end end = { .head = { sizeof(end), SESSION_END, 0, 1 },
					 .counters_cnt = COUNTER_MAX };
	const struct session_failed failed = { .head = { sizeof(failed), SESSION_FAILED, 0, 1 },
					       .error = -EPERM,
					       .text_len = 10,
					       .text = "sampler: no" };
	const struct session_note note = { .head = { sizeof(note), SESSION_NOTE, 0, 1 },
					   .text_len = 4,
					   .text = "slow" };
	const struct session_start unit = { .head = { sizeof(unit), SESSION_START, 0, 1 },
					    .flags = SESSION_UNIT,
					    .hz = 99,
					    .event = "cycles",
					    .unit = "a.service" };
	int r = 0;

	r = r ? r : write_seed(to, "note", &note, sizeof(note));
	r = r ? r : write_seed(to, "start-unit", &unit, sizeof(unit));
	r = r ? r : write_head(to, "stop", SESSION_STOP);
	r = r ? r : write_seed(to, "start", &start, sizeof(start));
	/* At the limit of the list: one more would be beyond the message. */
	full.pids_cnt = SESSION_PIDS_MAX;
	for (int i = 0; i < SESSION_PIDS_MAX; i++)
		full.pids[i] = i + 1;
	r = r ? r : write_seed(to, "start-full", &full, sizeof(full));
	r = r ? r : write_seed(to, "started", &started, sizeof(started));
	r = r ? r : write_seed(to, "progress", &progress, sizeof(progress));
	r = r ? r : write_seed(to, "profile", &profile, sizeof(profile));
	r = r ? r : write_seed(to, "end", &end, sizeof(end));
	return r ? r : write_seed(to, "failed", &failed, sizeof(failed));
}

static int write_replay(const struct corpus *to)
{
	struct bytes file = { 0 };
	struct world w;
	int r;

	record(&w, &file);
	r = write_seed(to, "whole", file.v.v, file.v.cnt);
	if (r == 0)
		r = write_seed(to, "cut", file.v.v, file.v.cnt / 2);
	if (r == 0)
		r = write_seed(to, "head", file.v.v, sizeof(struct replay_head));
	world_done(&w);
	file.v.cnt = 0;
	record_memory(&w, &file, 100);
	if (r == 0)
		r = write_seed(to, "memory", file.v.v, file.v.cnt);
	world_done(&w);
	vec_done(&file.v);
	return r;
}

/* The first byte is the room for the result: fuzz-str.c. */
static int write_str(const struct corpus *to)
{
	static const char *const seeds[][2] = {
		{ "ascii", "\x20nginx: worker" },
		{ "utf8", "\xff\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\xa7" },
		{ "overlong", "\xff\xc0\xaf\xe0\x80\xaf\xf0\x80\x80\xaf" },
		{ "surrogate", "\xff\xed\xa0\x80\xed\xbf\xbf" },
		{ "beyond", "\xff\xf4\x90\x80\x80\xf5" },
		{ "bidi", "\xff\xe2\x80\xae\xe2\x81\xa6" },
		{ "cut", "\x05\xe2\x82\xac\xe2\x82\xac" },
		{ "control", "\xff\x1b[31m\n\x7f\xc2\x85" },
	};
	int r = 0;

	for (size_t i = 0; i < ELEMENTSOF(seeds) && r == 0; i++)
		r = write_seed(to, seeds[i][0], seeds[i][1], strlen(seeds[i][1]));
	return r;
}

static int write_rows(const struct corpus *to)
{
	const struct cprof_rule rules[] = {
		{ .cfa = CPROF_CFA_REG,
		  .cfa_reg = CPROF_REG_RSP,
		  .ra = CPROF_WHERE_CFA,
		  .cfa_off = 8 },
		{ .cfa = CPROF_CFA_SIGNAL, .flags = CPROF_RULE_EXACT },
	};
	_cleanup_(rows_builder_freep) struct rows_builder *b = NULL;
	_cleanup_free_ void *none = NULL, *some = NULL;
	size_t none_sz, some_sz;
	int r;

	r = rows_builder_new(&b);
	if (r == 0)
		r = rows_finish(b, &none, &none_sz);
	if (r == 0)
		r = write_seed(to, "none", none, none_sz);
	if (r == 0)
		r = rows_add(b, 0x21000, 0x21080, &rules[0]);
	if (r == 0)
		r = rows_add(b, 0x21090, 0x41000, &rules[1]);
	if (r == 0)
		r = rows_finish(b, &some, &some_sz);
	if (r == 0)
		r = write_seed(to, "some", some, some_sz);
	return r;
}

static int write_go_lines(const struct corpus *to)
{
	uint8_t bytes[SEEDS_GO_MAX];
	const char *name;
	size_t sz;
	int r = 0;

	for (size_t i = 0; r == 0 && (name = seeds_go(i, bytes, &sz)); i++)
		r = write_seed(to, name, bytes, sz);
	return r;
}

static int write_jitdump(const struct corpus *to)
{
	_cleanup_free_ struct fake_dump *d = malloc(sizeof(*d));
	const uint64_t a = 0x7f0000001000, b = 0x7f0000002000;
	int r;

	if (!d)
		return -ENOMEM;
	fake_dump(d);
	fake_dump_load(d, 1, a, 0x20, "one");
	fake_dump_load(d, 2, b, 0x20, "two");
	fake_dump_load(d, 3, b + 0x10, 0x20, "later");
	r = write_seed(to, "loads", d->v, d->cnt);
	fake_dump(d);
	fake_dump_debug(d, a, 3);
	fake_dump_line(d, a + 0x40, 30, "a.js");
	fake_dump_line(d, a + 0x48, 31, "\xff");
	fake_dump_line(d, a + 0x50, 32, "b.js");
	fake_dump_load(d, 1, a, 0x20, "one");
	if (r == 0)
		r = write_seed(to, "lines", d->v, d->cnt);
	fake_dump_move(d, 1, a, b, 0x20);
	fake_dump_move(d, 7, a, b + 0x18, 0x20);
	fake_dump_begin(d, 3);
	fake_dump_end(d);
	return r == 0 ? write_seed(to, "moves", d->v, d->cnt) : r;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*write)(const struct corpus *to);
	} corpora[] = {
		{ "decode", write_decode },	{ "late", write_walks },
		{ "wire", write_wire },		{ "session", write_session },
		{ "replay", write_replay },	{ "str", write_str },
		{ "control", write_control },	{ "rows", write_rows },
		{ "go-lines", write_go_lines }, { "jitdump", write_jitdump },
	};

	struct corpus to = { .check = argc == 3 && strcmp(argv[1], "--check") == 0 };

	if (argc != 2 && !to.check) {
		fprintf(stderr, "usage: seeds [--check] DIRECTORY\n");
		return 2;
	}
	for (size_t i = 0; i < ELEMENTSOF(corpora); i++) {
		snprintf(to.dir, sizeof(to.dir), "%s/%s", argv[argc - 1], corpora[i].name);
		if (!to.check && mkdir(to.dir, 0755) < 0 && errno != EEXIST) {
			fprintf(stderr, "seeds: %s: %s\n", to.dir, strerror(errno));
			return 1;
		}
		if (corpora[i].write(&to) < 0)
			return 1;
	}
	return 0;
}
