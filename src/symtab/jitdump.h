/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* jitdump — the records of a jitdump, as far as they are looked at. */

#include <stdint.h>

#define JITDUMP_MAGIC 0x4a695444u
#define JITDUMP_VERSION 1
#define JITDUMP_MACHINE 62 /* EM_X86_64 */

struct jitdump_head {
	uint32_t magic;
	uint32_t version;
	uint32_t total_sz; /* of the head */
	uint32_t machine;
	uint32_t pad;
	uint32_t pid;
	uint64_t timestamp;
	uint64_t flags;
};

enum jitdump_id {
	JITDUMP_LOAD = 0,
	JITDUMP_MOVE = 1,
	JITDUMP_DEBUG_INFO = 2, /* of the next load of the same address */
	JITDUMP_CLOSE = 3,
};

struct jitdump_record {
	uint32_t id;
	uint32_t total_sz;
	uint64_t timestamp;
};

struct jitdump_load {
	struct jitdump_record head;
	uint32_t pid;
	uint32_t tid;
	uint64_t vma;
	uint64_t code_addr;
	uint64_t code_sz;
	uint64_t code_index; /* whose; the name is behind it, terminated, and the code */
};

struct jitdump_move {
	struct jitdump_record head;
	uint32_t pid;
	uint32_t tid;
	uint64_t vma;
	uint64_t old_addr;
	uint64_t new_addr;
	uint64_t code_sz;
	uint64_t code_index;
};

struct jitdump_debug {
	struct jitdump_record head;
	uint64_t code_addr;
	uint64_t cnt;
	/* Each: */
};

struct jitdump_line {
	uint64_t addr;
	uint32_t line;
	uint32_t discriminator;
	/* The file's name, terminated; JITDUMP_SAME: that of the line before. */
};

#define JITDUMP_SAME "\xff"
