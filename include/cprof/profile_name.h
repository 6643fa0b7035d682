/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* profile-name — names of profile files: a promise to scripts, so they are made in one place. */

#include <stddef.h>
#include <stdint.h>

#define PROFILE_NAME_MAX 160

struct profile_label {
	const char *comm;
	uint32_t pid;
	uint32_t exec;
	uint64_t start_ticks;
	uint64_t exe_id; /* of ended processes: as in struct session_profile */
	uint64_t from_real_ns;
	uint64_t to_real_ns;
};

/* <comm>-<pid>-<start>-<exec>.cpu.<HHMMSS>-<HHMMSS>.pb.gz, in UTC. */
void profile_name(char *dst, size_t dst_sz, const struct profile_label *label);
/* Of a command and all that it started: without start and exec, which would be one process's. */
void profile_name_merged(char *dst, size_t dst_sz, const struct profile_label *label);

/* Of processes that began and ended within: <comm>-ended-<exe id>.cpu.<from>-<to>.pb.gz */
void profile_name_ended(char *dst, size_t dst_sz, const struct profile_label *label);
/* Of all processes outside of our pid namespace. */
void profile_name_outside(char *dst, size_t dst_sz, const struct profile_label *label);

/* The @n-th other name for one that is taken: "a.pb.gz" becomes "a~1.pb.gz", "a" becomes "a~1". */
void profile_name_other(char *dst, size_t dst_sz, const char *name, unsigned int n);

/* cprofd-profiles-<YYYYMMDD>-<HHMMSS> */
void profile_directory_name(char *dst, size_t dst_sz, uint64_t real_ns);
