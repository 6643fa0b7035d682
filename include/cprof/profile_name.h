/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * profile-name — names of profile files: a promise to scripts, so they are made, and read again, in one
 * place.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROFILE_NAME_MAX 160
#define PROFILE_SUFFIX ".pb.gz"

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

/*
 * The @n-th other name for one that is taken: "a.pb.gz" becomes "a~1.pb.gz", "a" becomes "a~1". Of a
 * name that is such another one already, "a~1.pb.gz", the n-th other is that of "a.pb.gz".
 */
void profile_name_other(char *dst, size_t dst_sz, const char *name, unsigned int n);

enum profile_form {
	PROFILE_OF_PROCESS, /* profile_name() */
	PROFILE_OF_MERGED,
	PROFILE_OF_ENDED,
	PROFILE_OF_OUTSIDE,
};

/* What a name tells. What its form does not hold is 0. */
struct profile_parsed {
	enum profile_form form;
	char comm[64];
	char kind[16]; /* "cpu" */
	uint32_t pid, exec;
	uint64_t start_ticks, exe_id;
	uint32_t from_s,
		to_s;	/* of the day, UTC; to_s is that of the next day where it is smaller */
	uint32_t other; /* of "~<other>"; 0: none */
	size_t id_len;	/* this much of the name, up to the times, is one process's and kind's */
};

/*
 * Reads what the functions above made, of any kind; false: none of them made it. A merged name whose
 * comm ends in two numbers ("a-1-2") reads as a process's: the two are the same text.
 */
bool profile_name_parse(const char *name, struct profile_parsed *ret);

/* The name of the same process and kind over another interval: [from_s, to_s) as above. */
void profile_name_span(char *dst, size_t dst_sz, const char *name,
		       const struct profile_parsed *parsed);

/* cprofd-profiles-<YYYYMMDD>-<HHMMSS> */
void profile_directory_name(char *dst, size_t dst_sz, uint64_t real_ns);
