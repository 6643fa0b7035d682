/* SPDX-License-Identifier: GPL-2.0-only */

/*
 * cpu.bpf — the programs: a tick on a CPU becomes a record in the sample ring.
 *
 * Mechanism only: filter, capture, emit. The sampling program updates no hash map (a spinlock in an
 * interrupt can lock a machine up): it writes per-CPU arrays and the rings, and reads hashes that
 * user space fills. What each file does: grid.h due ticks and busy time, identity.h whose, maple.h
 * which mapping, hits.h which were met before, key.h which file, userstack.h the user stack (walk.h its
 * steps, rows.h their rules, kept.h what is kept of it, rest.h what is walked again), cgroup.h which
 * control group, capture.h all of it into one record; announce.h and tell.h what goes into the event ring; code.h
 * lines of BPF programs.
 */

#include "capture.h"
#include "code.h"
#include "rows.h"
#include "tell.h"
#include "tasks.h"
#include "tree.h"

char LICENSE[] SEC("license") = "GPL";

/* Where a switch to idle was not shown to us: how much of the time since was busy. */
static __always_inline __u64 ran_ns(const struct cpu_state *st)
{
	return st->grid.idle ? 0 : runner_ran_ns(&st->runner);
}

/* Of a CPU, by the idle task that it has. Where tasks are in no groups the way there is not known. */
static __always_inline __u64 sched_lead_ns(struct task_struct *idle, __u64 now)
{
	if (!bpf_core_field_exists(idle->se.cfs_rq))
		return 0;
	return now - idle->se.cfs_rq->rq->clock;
}

/*
 * A task was woken here and nobody has run since: the scheduler charges it from then on, so this is busy
 * time without anyone to look at.
 */
static __always_inline bool is_woken(struct task_struct *idle)
{
	return bpf_core_field_exists(idle->se.cfs_rq) && idle->se.cfs_rq->rq->nr_running > 0;
}

/* A tick of a CPU's clock. */
SEC("perf_event")
int cprof_tick(void *ctx)
{
	__u64 now = kenv_now();
	__u32 cpu = bpf_get_smp_processor_id();
	struct task_struct *task = bpf_get_current_task_btf();
	struct cprof_rate *rate = bpf_map_lookup_elem(&cprof_rates, &cpu);
	struct cpu_state *st = state_get();

	if (!rate || !st || !rate->enabled_ns)
		return 0;
	if (task->pid == 0) {
		grid_tick(&st->grid, rate, now, 1, ran_ns(st));
		count(is_woken(task) ? COUNTER_idle_woken : COUNTER_idle, 1);
		count_time(now);
		return 0;
	}
	grid_tick(&st->grid, rate, now, 0, 0);
	runner_set(&st->runner, task);
	note_missed(st, grid_missed(&st->grid));
	capture(ctx, task, st, now, grid_weight(&st->grid));
	count_time(now);
	return 0;
}

/* So many of an event that is no clock. */
SEC("perf_event")
int cprof_event(void *ctx)
{
	__u64 now = kenv_now(), period = regs_word(ctx, REGS_PERIOD);
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 cpu = bpf_get_smp_processor_id();
	struct cprof_rate *rate = bpf_map_lookup_elem(&cprof_rates, &cpu);
	struct cpu_state *st = state_get();

	if (!rate || !st)
		return 0;
	if (bpf_perf_prog_read_value(ctx, &st->value, sizeof(st->value)) == 0) {
		tally_follow(&st->tally, st->value.counter, rate->opened);
		if (event_counted)
			note_missed(st, tally_missed(&st->tally, st->value.counter, period));
		else
			period = tally_weight(&st->tally, st->value.counter);
	}
	if (task->pid == 0) {
		count(COUNTER_idle, 1);
		count_time(now);
		return 0;
	}
	capture(ctx, task, st, now, period);
	count_time(now);
	return 0;
}

/* Only the edges of idleness matter: when a CPU is busy, ticks are due. */
SEC("tp_btf/sched_switch")
int BPF_PROG(cprof_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	struct cprof_rate *rate;
	struct grid_edge edge;
	struct cpu_state *st;
	__u32 cpu;
	__u64 now;

	/* So many that two looks at the clock would be most of it: not in bpf_ns. */
	if (prev->pid != 0 && next->pid != 0)
		return 0;
	now = kenv_now();
	cpu = bpf_get_smp_processor_id();
	rate = bpf_map_lookup_elem(&cprof_rates, &cpu);
	st = state_get();
	if (!rate || !st || !rate->enabled_ns)
		return 0;
	edge = (struct grid_edge){
		.now = now,
		.lead_ns = sched_lead_ns(next->pid ? prev : next, now),
		.ran_ns = next->pid ? ran_ns(st) : 0,
		.is_idle = next->pid == 0,
	};
	grid_switch(&st->grid, rate, &edge);
	if (next->pid != 0)
		runner_set(&st->runner, next);
	count_time(now);
	return 0;
}

/* A new executable that is not known yet: announced at once, while the process lives. */
static __always_inline void announce_exec(struct task_struct *task, struct linux_binprm *bprm)
{
	__u32 pid = identity_pid(task, our_ns());
	const struct inode *inode = BPF_CORE_READ(bprm, file, f_inode);
	struct cprof_key key = { 0 };

	if (!inode || !pid || !filter_passes(task, pid))
		return;
	key_read(&key, inode);
	if (!bpf_map_lookup_elem(&cprof_objects, &key))
		announce(CPROF_RECORD_EXEC, task, pid, inode, &key, NULL);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(cprof_exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	__u64 now = kenv_now();

	announce_exec(task, bprm);
	count_time(now);
	return 0;
}

/* Children and threads of what is recorded with its descendants are recorded too. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(cprof_fork, struct task_struct *parent, struct task_struct *child)
{
	tree_fork(parent, child);
	return 0;
}

static __always_inline struct exiting *exiting_get(struct task_struct *task)
{
	return bpf_task_storage_get(&cprof_exiting, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
}

static __always_inline void remember_program(struct task_struct *task, struct mm_struct *mm)
{
	const struct inode *inode = BPF_CORE_READ(mm, exe_file, f_inode);
	struct exiting *e;

	if (!inode)
		return;
	e = exiting_get(task);
	if (!e || e->whole)
		return;
	key_read(&e->key, inode);
	barrier();
	e->whole = 1;
}

/* With its first thread, the last one to be freed; of two that end at once the first counts. */
static __always_inline void remember_end(struct task_struct *task)
{
	struct exiting *e = exiting_get(task->group_leader);

	if (e && !e->ended_ns)
		e->ended_ns = bpf_ktime_get_boot_ns();
}

/*
 * A process's last thread ends. Taking an address space down is a good part of a short process's life,
 * and the task has given it up by then: its program is remembered, so that these samples have their
 * executable too.
 */
static __always_inline void remember_exit(struct task_struct *task)
{
	tree_exit(task);
	if (BPF_CORE_READ(task, signal, live.counter) != 0 ||
	    !filter_passes(task, identity_pid(task, our_ns())))
		return;
	remember_end(task);
	if (task->mm)
		remember_program(task, task->mm);
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(cprof_exit, struct task_struct *task)
{
	__u64 now = kenv_now();

	remember_exit(task);
	count_time(now);
	return 0;
}

/* Before 6.16 the task has no address space any more there: here it still stands, though emptied. */
SEC("tp_btf/exit_mmap")
int BPF_PROG(cprof_exit_mmap, struct mm_struct *mm)
{
	__u64 now = kenv_now();
	struct task_struct *task = bpf_get_current_task_btf();

	/* Others may be the last to let go of it, and an exec takes the old one down. */
	if (!(task->flags & KTYPES_PF_EXITING) || task->mm ||
	    !filter_passes(task, identity_pid(task, our_ns())))
		return 0;
	remember_program(task, mm);
	count_time(now);
	return 0;
}

/*
 * A process is gone for good: the group leader goes last, and only now is the sum of all CPU time
 * final. Its struct pid is detached already, so its number in a nested pid namespace is not known
 * any more: user space matches by start and exec. Whether the session asked for it was seen when it
 * ended; of the whole machine those are told, too, that were ending when the session began.
 */
SEC("tp_btf/sched_process_free")
int BPF_PROG(cprof_free, struct task_struct *task)
{
	__u64 now = kenv_now();
	struct cprof_exit e = { 0 };
	struct exiting *exiting;

	if (task->pid != task->tgid)
		return 0;
	exiting = bpf_task_storage_get(&cprof_exiting, task, NULL, 0);
	if (exiting)
		e.time_ns = exiting->ended_ns;
	if (!e.time_ns) {
		if (!filter_all)
			return 0;
		e.time_ns = bpf_ktime_get_boot_ns();
	}
	e.head.size = sizeof(e);
	e.head.version = CPROF_ABI_VERSION;
	e.head.type = CPROF_RECORD_EXIT;
	e.start_ns = task->start_boottime;
	e.pid = our_level == 0 ? task->tgid : 0;
	e.exec = identity_exec(task);
	e.cpu_ns = BPF_CORE_READ(task, signal, sum_sched_runtime);
	if (bpf_ringbuf_output(&cprof_samples, &e, sizeof(e), BPF_RB_NO_WAKEUP))
		count(COUNTER_exit_full, 1);
	count_time(now);
	return 0;
}

/* Control groups come and go too fast to be looked up afterwards. */
SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(cprof_cgroup_mkdir, struct cgroup *cgroup, const char *path)
{
	tell_cgroup(cgroup, 0);
	return 0;
}

SEC("tp_btf/cgroup_rename")
int BPF_PROG(cprof_cgroup_rename, struct cgroup *cgroup, const char *path)
{
	tell_cgroup(cgroup, 0);
	return 0;
}

SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(cprof_cgroup_rmdir, struct cgroup *cgroup, const char *path)
{
	tell_cgroup(cgroup, 1);
	return 0;
}

/* Run once by user space (BPF_PROG_TEST_RUN): at which level of pid namespaces are we? */
SEC("syscall")
int cprof_self(struct cprof_self *self)
{
	struct task_struct *task = bpf_get_current_task_btf();

	self->level = BPF_CORE_READ(task, thread_pid, level);
	self->layouts_ok = layouts_ok();
	return 0;
}

/* Run by user space before it samples: does the walk find what /proc/self/maps shows? */
SEC("syscall")
int cprof_probe(struct cprof_walk_probe *probe)
{
	check_probe(probe, bpf_get_current_task_btf());
	return 0;
}

/* Run by user space: what does a walk find in the pool of rows? */
SEC("syscall")
int cprof_rows(struct cprof_rows_probe *probe)
{
	struct rows_found found = { 0 };

	probe->answer = rows_find(probe->object.slot, probe->object.id, probe->offset, &found);
	probe->rule = found.rule;
	return 0;
}
