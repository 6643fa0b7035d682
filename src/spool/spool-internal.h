/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* spool-internal — what the parts of the spool share. */

#include "cprof/base/clock.h"
#include "cprof/base/vec.h"
#include "cprof/spool.h"
#include "dir.h"

#define SPOOL_FILE_MODE 0640
#define SPOOL_DIR_MODE 0750
#define SPOOL_HOUR_NS (3600 * NSEC_PER_SEC)
#define SPOOL_HOURS_OF_DAY 24
#define SPOOL_DATE_LEN 10	 /* YYYY-MM-DD */
#define SPOOL_HOUR_END 19274000u /* hours from here on do not fit 64 bits of nanoseconds */
#define SPOOL_OTHERS_MAX 10000	 /* names tried where one is taken */
#define SPOOL_NAME_SZ 256
#define SPOOL_STATE ".state"
#define SPOOL_QUARANTINE ".quarantine"

/* One directory DATE/HH. */
struct spool_hour {
	uint32_t hour; /* since 1970 */
	bool settled;  /* nothing to merge: looked at, and nothing was added since */
	bool stuck;    /* nothing of it can be removed */
	uint64_t files;
	uint64_t bytes;	    /* of the files */
	uint64_t dir_bytes; /* of the directory itself */
};

struct spool_work;

struct spool {
	int dir_fd;
	struct spool_opts opts;
	struct spool_figures figures;
	VEC(struct spool_hour) hours; /* ascending */
	uint64_t next;		      /* number of the next directory */
	uint64_t block;		      /* what the shortest file takes */
	uint64_t last_end_ns;	      /* CLOCK_BOOTTIME */

	/* How time passes, as the windows say. */
	bool committed; /* one since it was opened */
	uint64_t clock_real_ns, clock_boot_ns;
	int64_t age_credit_ns;

	uint32_t
		vain; /* windows in a row that found no room though older ones had to go for them */
	bool unfinished; /* a committed window is not in its place yet */
	bool no_exchange;

	/* An hour that is merged: what its new files take, or will take. */
	struct spool_work *work;
	uint64_t work_bytes, work_files;
};

/* place.c: hours as directories. */

/* An open hour: made where it is missing, and what stands in its way moved aside. */
struct spool_place {
	int date_fd, hour_fd;
	uint32_t hour;
};

#define SPOOL_PLACE_INIT ((struct spool_place){ .date_fd = -EBADF, .hour_fd = -EBADF })

struct spool_hour *spool_hour_find(struct spool *s, uint32_t hour);
/* NULL for want of memory. */
struct spool_hour *spool_hour_get(struct spool *s, uint32_t hour);
/* What is known of an hour that is there already. */
void spool_hour_set(struct spool *s, const struct spool_hour *known);
void spool_hour_forget(struct spool *s, uint32_t hour);
/* Takes the directories too, if they are empty. */
void spool_hour_remove(struct spool *s, uint32_t hour);
void spool_hour_date(char dst[static 16], uint32_t hour);
void spool_hour_name(char dst[static 16], uint32_t hour);
bool spool_parse_date(const char *name, uint32_t *ret_hour);
bool spool_parse_hour(const char *name, uint32_t *ret);

int spool_place_find(const struct spool *s, uint32_t hour, struct spool_place *ret);
int spool_place_make(struct spool *s, uint32_t hour, struct spool_place *ret);
void spool_place_done(struct spool_place *p);
/* Moves a file to its hour and counts it. */
int spool_place_file(struct spool *s, int from_fd, const char *name, const struct spool_place *p);
int spool_quarantine(struct spool *s, int at_fd, const char *name);
/* An empty directory .new-<n>: its descriptor, or -errno. */
int spool_make_new(struct spool *s, char name[static 32]);

/* recover.c */
int spool_count(struct spool *s);
/* Removes litter, brings committed windows to their place. */
int spool_recover(struct spool *s);
/* To its place, where it was not brought at once (@waited) or is now. */
int spool_finish_window(struct spool *s, const char *name, uint32_t hour, bool waited);
/* What is in an hour's directory; of *ret the hour is given. */
int spool_count_hour(struct spool *s, int hour_fd, struct spool_hour *ret);

/* state.c */
#define SPOOL_STATE_SZ 128
void spool_state_write(char dst[static SPOOL_STATE_SZ], const char *boot_id, uint64_t end_ns);
/* What the state says once @w is committed. */
uint64_t spool_state_end_ns(const struct spool_window *w);
/* 0 when it is missing, of another boot, or anything but what we wrote. */
uint64_t spool_state_read(int dir_fd, const char *boot_id);

/* write.c */
#define SPOOL_SYNC_BATCH 64
/* Syncs and closes all of them, whatever happens to one. */
int spool_sync_files(int *fds, size_t *cnt);
/* A new file of that name, or of another where it is taken: its descriptor, or -errno. */
int spool_create(int dir_fd, const char *name, char chosen[static SPOOL_NAME_SZ]);
/* A window in a directory of its own, synced; its name. On error nothing is left of it. */
int spool_write_window(struct spool *s, const struct spool_window *w, char name[static 32]);

/* budget.c */
struct spool_need {
	uint64_t bytes, inodes;
	bool force;	 /* let that much go, even if there seems to be room */
	uint32_t before; /* only of hours before this one; 0: any */
};

/* At most @files_max files go for it: 1 when that was not enough; -ENOSPC: there can be no room. */
int spool_make_room(struct spool *s, const struct spool_need *need, size_t files_max);
/* What is too old, at most @files_max files: 1 when there is more. */
int spool_expire(struct spool *s, size_t files_max);
void spool_watch_clock(struct spool *s, const struct spool_window *w);

/* hours.c */
/* A process's minutes, or what comes before and after: 1 when there is more to do, or 0. */
int spool_merge_hours(struct spool *s);
/* Something else happens to this hour: what was merged of it goes. */
void spool_merge_leave(struct spool *s, uint32_t hour);
void spool_merge_stop(struct spool *s);
