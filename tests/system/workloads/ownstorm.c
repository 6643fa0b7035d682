/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ownstorm MANY ONLY DIR COUNT ROUNDS LOG — COUNT short processes, two at a time, each of which works in a
 * function whose name no other process of the storm has: every other one runs MANY (own-many) with
 * an index of its own, the others a copy of ONLY (own-only) in DIR with a symbol of its own, which
 * is removed again when it has run. LOG gets "pid start_ticks cpu_us function" for each.
 */

#include "storm.h"
#include "template.h"

#define PARALLEL 2

static struct running {
	pid_t pid;
	char name[32];
	char path[512];
} running[PARALLEL];

static struct running *slot_of(pid_t pid)
{
	for (int i = 0; i < PARALLEL; i++)
		if (running[i].pid == pid)
			return &running[i];
	abort();
}

static const char *name_of(pid_t pid)
{
	return slot_of(pid)->name;
}

static void finish_one(FILE *log)
{
	pid_t pid = storm_reap(log, 0, name_of);
	struct running *slot = slot_of(pid);

	if (slot->path[0])
		unlink(slot->path);
	slot->pid = 0;
}

int main(int argc, char *argv[])
{
	struct template only = { 0 };
	unsigned long count;
	FILE *log;

	if (argc != 7)
		return 2;
	template_load(&only, argv[2]);
	count = strtoul(argv[4], NULL, 10);
	log = fopen(argv[6], "we");
	if (!log)
		return 1;
	for (unsigned long i = 0; i < count; i++) {
		struct running *slot;
		char index[32];

		if (i >= PARALLEL)
			finish_one(log);
		slot = slot_of(0);
		slot->path[0] = '\0';
		snprintf(index, sizeof(index), "%lu", i / 2);
		if (i % 2 == 0) {
			snprintf(slot->name, sizeof(slot->name), "own_%06lu", i / 2);
			slot->pid =
				storm_spawn(argv[1], (char *[]){ argv[1], index, argv[5], NULL });
		} else {
			snprintf(slot->name, sizeof(slot->name), "only_%06lu", i / 2);
			snprintf(slot->path, sizeof(slot->path), "%.400s/only_%06lu", argv[3],
				 i / 2);
			template_write(&only, slot->path, slot->name);
			slot->pid =
				storm_spawn(slot->path, (char *[]){ slot->path, argv[5], NULL });
		}
	}
	for (unsigned long i = 0; i < (count < PARALLEL ? count : PARALLEL); i++)
		finish_one(log);
	fclose(log);
	return 0;
}
