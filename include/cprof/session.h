/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * session — the protocol of an on-demand recording between a client and the sampler.
 *
 *	client -> sampler	START, STOP
 *	sampler -> client	STARTED, PROGRESS*, NOTE*, PROFILE* (each a sealed memfd), END or FAILED
 *
 * Over a SOCK_SEQPACKET socketpair that cprofctl inherits to its private `cprofd --session`, or the
 * daemon's session socket. The sampler folds and encodes; the client names the files and writes them
 * under its own rights. Closing the socket is STOP without an answer. Same framing as wire.h.
 */

#include <stdint.h>
#include <sys/types.h>

#include "cprof/counters.h"
#include "cprof/wire.h"

#define SESSION_PIDS_MAX 256
#define SESSION_TEXT_MAX 1024
#define SESSION_UNIT_SZ 256
#define SESSION_EVENT_SZ 32
#define SESSION_HZ_MAX 10000
#define SESSION_PROFILE_BYTES_MAX (1ULL << 30) /* a client refuses a longer one, and the session */

enum session_type {
	SESSION_START = 64,
	SESSION_STARTED,
	SESSION_STOP, /* a bare head */
	SESSION_PROGRESS,
	SESSION_PROFILE,
	SESSION_END,
	SESSION_FAILED,
	SESSION_NOTE,
	SESSION_TYPE_MAX,
};

enum session_flag {
	SESSION_ALL = 1,     /* the whole machine; pids are empty */
	SESSION_TREE = 2,    /* the pids and all that they fork from now on */
	SESSION_MERGED = 4,  /* one profile with pid labels instead of one per process */
	SESSION_UNIT = 8,    /* the processes of a unit; pids are empty */
	SESSION_RAW = 16,    /* also a raw file of all records, for replay */
	SESSION_MEMORY = 32, /* with RAW: memory of stacks in it; for root alone */
};

struct session_start {
	struct wire_head head;
	uint32_t flags;	      /* enum session_flag: one of ALL and UNIT, or pids */
	uint32_t hz;	      /* 1 to SESSION_HZ_MAX */
	uint64_t duration_ns; /* 0: until STOP, or until all pids are gone */
	uint32_t ring_bytes;  /* 0: the default; a power of two */
	uint32_t pids_cnt;
	uint64_t event_count;		/* a sample for every so many of the event; 0: hz */
	char event[SESSION_EVENT_SZ];	/* perf's name, terminated; empty: cpu-clock */
	char unit[SESSION_UNIT_SZ];	/* SESSION_UNIT: its name, terminated; else empty */
	int32_t pids[SESSION_PIDS_MAX]; /* in the sampler's pid namespace */
};

struct session_started {
	struct wire_head head;
	uint64_t from_real_ns;
	uint32_t hz;		      /* 0: a sample for every so many of the event */
	uint32_t cpus;		      /* with an event */
	char event[SESSION_EVENT_SZ]; /* what is sampled, terminated */
};

struct session_progress {
	struct wire_head head;
	uint64_t elapsed_ns;
	uint64_t samples;
	uint64_t missed;
	uint64_t lost;
	uint32_t processes;
	uint32_t phase; /* enum session_phase */
};

enum session_phase { SESSION_SAMPLING, SESSION_NAMING, SESSION_WRITING };

enum session_profile_kind {
	SESSION_PROFILE_PROCESS,
	SESSION_PROFILE_MERGED,
	SESSION_PROFILE_ENDED, /* of one executable, user, unit and container: began and ended within */
	SESSION_PROFILE_RAW, /* no profile: the raw file (cprof/replay.h); samples is 0 */
	SESSION_PROFILE_KIND_MAX,
};

/* One finished profile; the descriptor is a sealed memfd with the whole .pb.gz file. */
struct session_profile {
	struct wire_head head;
	uint64_t bytes;	      /* at most SESSION_PROFILE_BYTES_MAX */
	uint64_t start_ticks; /* process start in clock ticks since boot */
	uint64_t from_real_ns;
	uint64_t to_real_ns;
	uint64_t samples;
	uint64_t weight_ns;
	uint64_t
		exe_id; /* ENDED: tells executables of one name apart, the same in every recording */
	uint32_t pid;	/* PROCESS only */
	uint32_t exec;
	uint32_t uid;
	uint32_t kind; /* enum session_profile_kind */
	uint32_t processes;
	uint32_t pad;
	char comm
		[64]; /* clean UTF-8, terminated; the client makes file names with str_file_name() */
};

struct session_end {
	struct wire_head head;
	struct counters counters;
	struct books books;
	uint64_t duration_ns;
	uint64_t ended_by;  /* enum session_ended */
	uint64_t bpf_bytes; /* memory of maps */
	uint64_t pss_bytes; /* peak of all roles together; 0: not known */
	uint32_t profiles;
	uint32_t hz;
	uint32_t cpus;
	uint32_t counters_cnt; /* COUNTER_MAX of the sender */
	uint32_t walk;	       /* enum session_walk */
	uint32_t pad;
};

/* Who tells which mapping an address lies in: the kernel's tree (BPF), or /proc, afterwards. */
enum session_walk { SESSION_WALK_TREE, SESSION_WALK_PROC, SESSION_WALK_MAX };
enum session_ended { SESSION_ENDED_TIME, SESSION_ENDED_STOP, SESSION_ENDED_GONE };
/* It could not start, or broke off: one line "what: why; next step". */
struct session_failed {
	struct wire_head head;
	int32_t error; /* -errno */
	uint32_t text_len;
	uint32_t retry_s, pad; /* not before that it helps to ask again; 0: nobody knows */
	char text[SESSION_TEXT_MAX];
};

/* Something works less well than it should: one line "what: why; what it means". */
struct session_note {
	struct wire_head head;
	uint64_t text_len;
	char text[SESSION_TEXT_MAX];
};

/*
 * As wire_check(), for this protocol: the type, or -EBADMSG. Also that comm is clean, and that text
 * is clean over text_len bytes. Every message has exactly the size of its structure.
 */
int session_check(const void *msg, size_t sz);
