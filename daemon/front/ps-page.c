/* SPDX-License-Identifier: Apache-2.0 */

/* /ps: the processes of the last whole window. Those of others are left out before anything is written. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/clock.h"
#include "cprof/base/json.h"
#include "cprof/base/sealed.h"
#include "cprof/record.h"
#include "moment.h"
#include "pages.h"

/* The rule of the sampler for samples. */
static bool may_see(const struct peer *peer, const struct control_process *p)
{
	const struct record_owner owner = { .uid = p->uid, .euid = p->euid, .cred = p->cred };

	return peer->privileged || record_may_see(peer->uid, &owner);
}

static int compare_rows(const void *a, const void *b)
{
	const struct control_process *x = a, *y = b;

	if (x->weight_ns != y->weight_ns)
		return CMP(y->weight_ns, x->weight_ns);
	return CMP(x->pid, y->pid);
}

int pages_read_processes(const struct control_processes *head, int fd, const struct peer *peer,
			 struct pages_processes *ret)
{
	size_t sz = head->cnt * sizeof(struct control_process), kept = 0;
	_cleanup_free_ struct control_process *rows = NULL;
	int r = sealed_check(fd, sz);

	if (r < 0)
		return r;
	rows = malloc(sz > 0 ? sz : 1);
	if (!rows)
		return -ENOMEM;
	r = sealed_read(fd, rows, sz);
	if (r < 0)
		return r;
	for (size_t i = 0; i < head->cnt; i++) {
		if (!control_process_is_valid(&rows[i]))
			return -EBADMSG;
		if (may_see(peer, &rows[i]))
			rows[kept++] = rows[i];
	}
	if (kept > 1)
		qsort(rows, kept, sizeof(rows[0]), compare_rows);
	*ret = (struct pages_processes){ .head = head, .rows = TAKE_PTR(rows), .cnt = kept };
	return 0;
}

void pages_processes_done(struct pages_processes *p)
{
	free(p->rows);
	p->rows = NULL;
}

static void json_process(struct json *j, const struct control_process *p, uint64_t window_ns)
{
	json_object(j, NULL);
	json_u64(j, "pid", p->pid);
	json_u64(j, "start", p->start_ticks);
	json_u64(j, "exec", p->exec);
	json_u64(j, "uid", p->uid);
	json_string(j, "comm", p->comm);
	json_string(j, "unit", p->unit);
	json_string(j, "container", p->container);
	json_double(j, "cpu_s", (double)p->weight_ns / (double)NSEC_PER_SEC);
	json_double(j, "cpu_share", window_ns > 0 ? (double)p->weight_ns / (double)window_ns : 0);
	json_u64(j, "samples", p->samples);
	json_u64(j, "complete", p->complete);
	json_double(j, "complete_share",
		    p->samples > 0 ? (double)p->complete / (double)p->samples : 0);
	json_object_end(j);
}

void pages_ps(FILE *f, const struct pages_processes *p)
{
	struct json j = JSON_INIT(f);
	char from[MOMENT_SZ];

	moment_format(from, p->head->from_real_ns);
	json_object(&j, NULL);
	json_double(&j, "window_s", (double)p->head->window_ns / (double)NSEC_PER_SEC);
	json_string(&j, "from", from);
	json_u64(&j, "cpus", p->head->cpus);
	json_array(&j, "processes");
	for (size_t i = 0; i < p->cnt; i++)
		json_process(&j, &p->rows[i], p->head->window_ns);
	json_array_end(&j);
	json_object_end(&j);
	fputc('\n', f);
}
