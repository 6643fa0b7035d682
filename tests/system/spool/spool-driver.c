/* SPDX-License-Identifier: Apache-2.0 */

/*
 * spool-driver — commits windows to a spool, one after the other, and tells on stdout what became of
 * each, after it became so:
 *
 *	open FILES BYTES LITTER FINISHED QUARANTINED LAST_END
 *	ok N | failed N ERRNO
 *	end FILES BYTES EVICTED MERGED BELOW_FLOOR LAST_ERROR
 *
 * Files hold records that say of themselves what they are, how long, and their sum (see put_record()),
 * so that a reader can tell a part from the whole, and "merging" is putting one behind the other. Time
 * is what the arguments say. Usage: spool-driver DIR KEY=VALUE..., keys as in the table below.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/clock.h"
#include "cprof/profile_name.h"
#include "cprof/spool.h"

#define PROCESSES_MAX 256
#define HOUR (3600 * NSEC_PER_SEC)

static const struct option {
	const char *key;
	int64_t initial;
} options[] = {
	{ "first", 1 },		   /* number of the first window */
	{ "windows", 10 },	   /* how many */
	{ "processes", 3 },	   /* files of each */
	{ "bytes", 2000 },	   /* of each file */
	{ "window_s", 60 },	   /* how long each lasts, by its own times */
	{ "start_s", 1800000000 }, /* when window 0 began */
	{ "step_s", 0 },	   /* the wall clock leaps by that much ... */
	{ "step_at", -1 },	   /* ... before this window ... */
	{ "step_back", -1 },	   /* ... and back before this one */
	{ "pause_us", 0 },	   /* between windows */
	{ "use_max", 1 << 30 },
	{ "files_max", 200000 },
	{ "keep_free_ppm", 0 },
	{ "floor", 4 << 20 },
	{ "age_s", 7 * 86400 },
	{ "merge_after_s", 6 * 3600 },
};

struct driver {
	int64_t value[ELEMENTSOF(options)];
	struct spool *spool;
	char *bytes[PROCESSES_MAX];
	char names[PROCESSES_MAX][PROFILE_NAME_MAX];
	struct spool_file files[PROCESSES_MAX];
};

static int64_t get(const struct driver *d, const char *key)
{
	for (size_t i = 0; i < ELEMENTSOF(options); i++)
		if (strcmp(options[i].key, key) == 0)
			return d->value[i];
	abort();
}

static uint64_t get_ns(const struct driver *d, const char *key)
{
	return (uint64_t)get(d, key) * NSEC_PER_SEC;
}

static int parse_options(struct driver *d, char **argv)
{
	for (size_t i = 0; i < ELEMENTSOF(options); i++)
		d->value[i] = options[i].initial;
	for (; *argv; argv++) {
		const char *eq = strchr(*argv, '=');
		size_t i = 0;

		while (eq && i < ELEMENTSOF(options) &&
		       (strlen(options[i].key) != (size_t)(eq - *argv) ||
			strncmp(options[i].key, *argv, (size_t)(eq - *argv)) != 0))
			i++;
		if (!eq || i == ELEMENTSOF(options)) {
			fprintf(stderr, "spool-driver: %s: no such key\n", *argv);
			return -EINVAL;
		}
		d->value[i] = strtoll(eq + 1, NULL, 10);
	}
	return get(d, "processes") <= PROCESSES_MAX ? 0 : -EINVAL;
}

/* "record WINDOW PROCESS OF SIZE\n", letters, "\nsum SUM\n". The size is all of it. */
static size_t put_record(char *dst, size_t sz, int64_t window, int64_t process, int64_t of)
{
	const size_t tail = strlen("\nsum 0123456789abcdef\n");
	size_t at = (size_t)sprintf(dst, "record %" PRId64 " %" PRId64 " %" PRId64 " %zu\n", window,
				    process, of, sz);
	uint64_t sum = 0;

	for (; at + tail < sz; at++)
		dst[at] = (char)('a' + (at * 7 + (size_t)window) % 26);
	for (size_t i = 0; i < at; i++)
		sum += (unsigned char)dst[i] * (i + 1);
	return at + (size_t)sprintf(dst + at, "\nsum %016" PRIx64 "\n", sum);
}

#define MERGED_MAX ((size_t)1 << 20)

/* Bytes of the whole record at @p, of at most @sz bytes; 0: there is none. */
static size_t record_size(const char *p, size_t sz)
{
	char again[32];
	size_t said = 0, body = 0;
	uint64_t sum = 0;

	if (sscanf(p, "record %*u %*u %*u %zu\n", &said) != 1 || said > sz || said < sizeof(again))
		return 0;
	body = said - strlen("\nsum 0123456789abcdef\n");
	for (size_t i = 0; i < body; i++)
		sum += (unsigned char)p[i] * (i + 1);
	snprintf(again, sizeof(again), "\nsum %016" PRIx64 "\n", sum);
	return memcmp(p + body, again, strlen(again)) == 0 ? said : 0;
}

/* As a real merge does, it refuses what is not whole. */
static int merge(const int *fds, size_t cnt, int out_fd, void *ctx)
{
	_cleanup_free_ char *buf = malloc(MERGED_MAX + 1);

	for (size_t i = 0; i < cnt; i++) {
		ssize_t sz = buf ? pread(fds[i], buf, MERGED_MAX, 0) : -1;
		size_t at = 0, one = 1;

		if (sz <= 0)
			return -EBADMSG;
		buf[sz] = '\0';
		for (; at < (size_t)sz && one > 0; at += one)
			one = record_size(buf + at, (size_t)sz - at);
		if (one == 0)
			return -EBADMSG;
		if (write(out_fd, buf, (size_t)sz) != sz)
			return -EIO;
	}
	return 0;
}

static int open_spool(struct driver *d, const char *path)
{
	const struct spool_opts opts = {
		.limits = { .use_max = (uint64_t)get(d, "use_max"),
			    .files_max = (uint64_t)get(d, "files_max"),
			    .keep_free_ppm = (uint32_t)get(d, "keep_free_ppm"),
			    .floor = (uint64_t)get(d, "floor"),
			    .age_max_ns = get_ns(d, "age_s") },
		.merge = merge,
		.merge_after_ns = get_ns(d, "merge_after_s"),
		.boot_id = "spool-driver",
	};
	struct spool_failure failure;
	struct spool_figures f;
	int r = spool_open(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), &opts,
			   get_ns(d, "start_s"), &d->spool, &failure);

	if (r < 0) {
		fprintf(stderr, "spool-driver: %s\n", failure.text);
		return r;
	}
	spool_figures(d->spool, &f);
	printf("open %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
	       f.files, f.bytes, f.litter, f.windows_finished, f.quarantined,
	       spool_last_end_ns(d->spool));
	return 0;
}

static uint64_t real_of(const struct driver *d, int64_t n)
{
	int64_t s = get(d, "start_s") + n * get(d, "window_s");

	if (get(d, "step_at") >= 0 && n >= get(d, "step_at") &&
	    (get(d, "step_back") < 0 || n < get(d, "step_back")))
		s += get(d, "step_s");
	return (uint64_t)s * NSEC_PER_SEC;
}

static int commit_one(struct driver *d, int64_t n)
{
	const int64_t processes = get(d, "processes");
	const struct spool_window w = { .from_real_ns = real_of(d, n),
					.to_real_ns = real_of(d, n) + get_ns(d, "window_s"),
					.to_boot_ns = (uint64_t)(n + 1) * get_ns(d, "window_s"),
					.files = d->files,
					.files_cnt = (size_t)processes };

	for (int64_t i = 0; i < processes; i++) {
		const struct profile_label label = { .comm = "driver",
						     .pid = (uint32_t)i + 1,
						     .exec = 1,
						     .start_ticks = 1,
						     .from_real_ns = w.from_real_ns,
						     .to_real_ns = w.to_real_ns };

		profile_name(d->names[i], sizeof(d->names[i]), &label);
		d->files[i] = (struct spool_file){
			.name = d->names[i],
			.bytes = d->bytes[i],
			.sz = put_record(d->bytes[i], (size_t)get(d, "bytes"), n, i + 1, processes),
		};
	}
	return spool_commit(d->spool, &w);
}

/* In one write: whoever reads it never sees half a line. */
static int drive(struct driver *d)
{
	const int64_t end = get(d, "first") + get(d, "windows");
	struct spool_figures f;

	for (int64_t n = get(d, "first"); n < end; n++) {
		const struct timespec pause = { .tv_sec = get(d, "pause_us") / 1000000,
						.tv_nsec = get(d, "pause_us") % 1000000 * 1000 };
		int r = commit_one(d, n);

		if (r < 0)
			printf("failed %" PRId64 " %d\n", n, -r);
		else
			printf("ok %" PRId64 "\n", n);
		for (int i = 0; i < 8 && spool_maintain(d->spool, real_of(d, n)) > 0; i++)
			;
		if (get(d, "pause_us") > 0)
			(void)nanosleep(&pause, NULL);
	}
	spool_figures(d->spool, &f);
	printf("end %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %u %d\n", f.files, f.bytes,
	       f.evicted, f.merged, f.below_floor, f.last_error);
	return 0;
}

int main(int argc, char **argv)
{
	static struct driver d;
	int r;

	setvbuf(stdout, NULL, _IOLBF, 1 << 12);
	if (argc < 2 || parse_options(&d, argv + 2) < 0)
		return 2;
	for (int64_t i = 0; i < get(&d, "processes"); i++) {
		d.bytes[i] = malloc((size_t)get(&d, "bytes") + 256);
		if (!d.bytes[i])
			return 1;
	}
	r = open_spool(&d, argv[1]);
	if (r == 0)
		r = drive(&d);
	spool_free(d.spool);
	return r < 0;
}
