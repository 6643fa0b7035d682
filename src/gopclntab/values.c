/* SPDX-License-Identifier: Apache-2.0 */

#include "values.h"

#include <errno.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/vec.h"

static int add(struct values *values, const struct gopclntab_func *f, const struct step *step)
{
	struct value *last = values->cnt > 0 ? &values->v[values->cnt - 1] : NULL;
	struct value value = { (uint32_t)(step->end - f->start), (int32_t)step->delta };

	if (step->start >= step->end)
		return 0;
	if (last && last->value == value.value) {
		last->end = value.end;
		return 0;
	}
	return vec_push(values, value);
}

int values_load(struct values *values, struct tables *t, const struct gopclntab_func *f,
		uint32_t table, uint32_t rows)
{
	struct steps steps;
	struct step step;
	int r = 0;

	values->cnt = 0;
	if (f->end - f->start > UINT32_MAX)
		return -EBADMSG;
	if (table == 0)
		return 0;
	steps_init(&steps, t, f, table);
	while (r == 0) {
		r = steps_next(&steps, &step);
		if (r <= 0)
			return r;
		r = values->cnt < rows ? add(values, f, &step) : -EBADMSG;
	}
	return r;
}

void values_done(struct values *values)
{
	vec_done(values);
}

int32_t values_at(const struct values *values, uint64_t offset)
{
	size_t low = 0, high = values->cnt;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (values->v[mid].end <= offset)
			low = mid + 1;
		else
			high = mid;
	}
	return low < values->cnt ? values->v[low].value : -1;
}

int32_t values_max(const struct values *values)
{
	int32_t most = -1;

	for (size_t i = 0; i < values->cnt; i++)
		most = MAX(most, values->v[i].value);
	return most;
}
