/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * replay_format — the bytes of a replay file (docs/formats/replay.md): a head, then chunks, each a
 * row of entries of one type. Little-endian, everything a multiple of 8 bytes, padding zero.
 *
 *	SESSION  OBJECT*  NAME*  GROUP*  RECORDS*  PROCESS*  END
 *
 * One with memory of processes is of another version, and has ROWS* KEPT* behind RECORDS.
 */

#include <stdint.h>

#include "cprof/abi.h"
#include "cprof/object.h"

#define REPLAY_MAGIC "cprofraw"
#define REPLAY_VERSION 1
#define REPLAY_VERSION_MEMORY 2
#define REPLAY_BYTE_ORDER 0x01020304u
#define REPLAY_CHUNK_MAX (1u << 18) /* bytes of entries in one chunk */
#define REPLAY_TEXT_MAX 12288 /* of a path or name: three times what the kernel and files give */
#define REPLAY_PIDS_MAX 256
#define REPLAY_COUNTERS_MAX 1024
#define REPLAY_OBJECTS_MAX (1u << 20)
#define REPLAY_ROWS_MAX (128u << 20) /* bytes of one object's rows */

struct replay_head {
	char magic[8];
	uint32_t version;
	uint32_t byte_order;
	uint32_t abi_version; /* of the records: CPROF_ABI_VERSION */
	uint32_t pad;
};

enum replay_type {
	REPLAY_SESSION = 1, /* exactly one, first */
	REPLAY_OBJECT,
	REPLAY_NAME,
	REPLAY_GROUP,
	REPLAY_RECORDS, /* samples as in abi.h */
	REPLAY_PROCESS,
	REPLAY_END, /* exactly one, last */
	REPLAY_ROWS,
	REPLAY_KEPT,  /* struct cprof_kept as in abi.h, without keys */
	REPLAY_LINES, /* behind the names */
	REPLAY_TYPE_MAX,
};

struct replay_chunk {
	uint32_t type; /* enum replay_type */
	uint32_t pad;
	uint64_t size;	/* of the entries behind; 1 to REPLAY_CHUNK_MAX */
	uint64_t check; /* replay_check(): finds damage, not malice */
};

/* Every entry begins with its size, padding included; so does a record of abi.h. */
struct replay_entry {
	uint32_t size;
};

enum replay_flag { REPLAY_MERGED = 1, REPLAY_WALK_PROC = 2 /* /proc located user frames */ };

/* Text is terminated. MERGED: one profile of all processes. */
struct replay_session {
	uint32_t size;
	uint32_t flags;
	uint64_t from_boot_ns; /* CLOCK_BOOTTIME */
	uint64_t to_boot_ns;
	uint64_t from_real_ns;
	uint64_t missed;
	uint64_t lost;
	uint64_t event_count; /* a sample for every so many of the event; 0: by rate */
	uint32_t hz;	      /* 0: by count */
	uint32_t cpus;
	uint32_t pids_cnt;
	uint32_t pad;
	char event[32];	  /* its name in event.def */
	char version[32]; /* of the cprofd that recorded */
	char boot_id[64];
	char host[128];
	int32_t pids[REPLAY_PIDS_MAX]; /* that were asked for; of a command its own */
};

/* segments_cnt segments and path_len bytes of the path behind. */
struct replay_object {
	uint32_t size;
	uint32_t id;	    /* below CPROF_OBJECT_FIRST, or the next one from there on */
	uint8_t state;	    /* enum object_state */
	uint8_t lacks;	    /* 1: its names were too much; 2: it has no separate debug file */
	uint16_t sources;   /* enum object_source */
	uint16_t elf, kind; /* enum object_elf, enum object_kind */
	uint64_t kernel_text;
	uint32_t owner;
	uint16_t path_len;
	uint8_t segments_cnt;
	uint8_t build_id_sz;
	uint8_t build_id[OBJECT_BUILD_ID_MAX];
};

/* name_len and linkage_len bytes behind; of a place that is known to have no name 0 and 0. */
struct replay_name {
	uint32_t size;
	uint32_t object;
	uint64_t place; /* as names_offset() makes it of a frame in the records */
	uint64_t start; /* of the function; 0: not told */
	uint16_t name_len;
	uint16_t linkage_len;
	uint32_t pad;
};

/*
 * File and lines of a place that has a name: @cnt of struct replay_line behind, then their texts. What was inlined
 * there comes first, the innermost first of all; the last is the function of the NAME, without names of its own.
 */
struct replay_lines {
	uint32_t size;
	uint32_t object;
	uint64_t place;
	uint32_t cnt;
	uint32_t pad;
};

struct replay_line {
	uint32_t line; /* this and the next two 0: not known */
	uint32_t column;
	uint32_t start_line;
	uint16_t name_len;
	uint16_t linkage_len;
	uint16_t file_len; /* 0: not known */
	uint16_t pad;
	uint32_t pad2;
};

/* A control group that processes are in; path_len bytes of its path behind. */
struct replay_group {
	uint32_t size;
	uint16_t path_len;
	uint16_t hierarchy; /* enum cprof_hierarchy */
	uint64_t id;
};

#define REPLAY_CPU_KNOWN 1u
#define REPLAY_ENDED 2u

/* Of the processes in the order of their first samples. */
struct replay_process {
	uint32_t size;
	uint32_t flags;
	uint64_t start_ns;
	uint64_t cpu_true_ns;
	uint32_t pid;
	uint32_t exec;
};

/*
 * A piece of an object's block of rows (rows.h), bytes_sz bytes behind. The pieces of an object come one
 * after the other, from at 0 to total_sz, and no other object's come between.
 */
struct replay_rows {
	uint32_t size;
	uint32_t object;
	uint32_t total_sz;
	uint32_t at;
	uint32_t bytes_sz;
	uint32_t pad;
};

/* counters_cnt counters (uint64_t) behind, in the order of counters.def. */
struct replay_end {
	uint32_t size;
	uint32_t counters_cnt;
	uint64_t records; /* in this file */
};

/* FNV-1a over 64-bit words: the type and size of a chunk, and what is in it. */
static inline uint64_t replay_check(const struct replay_chunk *c, const void *entries)
{
	const uint64_t *words = entries;
	uint64_t h = 0xcbf29ce484222325ULL;

	h = (h ^ c->type) * 0x100000001b3ULL;
	h = (h ^ c->size) * 0x100000001b3ULL;
	for (uint64_t i = 0; i < c->size / 8; i++)
		h = (h ^ words[i]) * 0x100000001b3ULL;
	return h;
}

CPROF_ASSERT(sizeof(struct replay_chunk) == 24);
CPROF_ASSERT(sizeof(struct replay_session) == 1352);
CPROF_ASSERT(sizeof(struct replay_object) == 64);
CPROF_ASSERT(sizeof(struct replay_name) == 32);
CPROF_ASSERT(sizeof(struct replay_lines) == 24);
CPROF_ASSERT(sizeof(struct replay_line) == 24);
CPROF_ASSERT(sizeof(struct replay_group) == 16);
CPROF_ASSERT(sizeof(struct replay_process) == 32);
CPROF_ASSERT(sizeof(struct replay_rows) == 24);
