/* SPDX-License-Identifier: Apache-2.0 */

/* counters: the table against counters.def, and books that balance or tell what is missing. */

#include "check.h"

#include "cprof/base/cleanup.h"
#include "cprof/counters.h"
#include "cprof/counters_json.h"

TEST(table)
{
	for (int i = 0; i < COUNTER_MAX; i++) {
		CHECK(counter_descs[i].name && counter_descs[i].name[0]);
		CHECK(counter_descs[i].prose && counter_descs[i].prose[0]);
		for (int j = 0; j < i; j++)
			CHECK(strcmp(counter_descs[i].name, counter_descs[j].name) != 0);
	}
	CHECK_STR(counter_descs[COUNTER_runs].name, "runs");
	CHECK_EQ(counter_descs[COUNTER_runs].side, COUNTER_SIDE_BPF);
	CHECK_EQ(counter_descs[COUNTER_runs].kind, COUNTER_KIND_RUNS);
	CHECK_STR(counter_descs[COUNTER_names_late].name, "names_late");
	CHECK_EQ(counter_descs[COUNTER_names_late].side, COUNTER_SIDE_USER);
	CHECK_EQ(counter_descs[COUNTER_drop_ring_full].kind, COUNTER_KIND_DROP);
	CHECK_EQ(counter_descs[COUNTER_discard_memory].kind, COUNTER_KIND_DISCARD);
	CHECK_EQ(counter_descs[COUNTER_bpf_ns].kind, COUNTER_KIND_NS);
}

TEST(books_balance)
{
	struct counters c = { 0 };
	struct books b;

	c.v[COUNTER_runs] = 1000;
	c.v[COUNTER_missed] = 10;
	c.v[COUNTER_drop_ring_full] = 30;
	c.v[COUNTER_drop_scratch] = 5;
	c.v[COUNTER_delivered] = 965;
	c.v[COUNTER_discard_memory] = 1;
	c.v[COUNTER_discard_malformed] = 2;
	c.v[COUNTER_discard_encode] = 3;
	c.v[COUNTER_discard_client] = 4;
	c.v[COUNTER_in_profiles] = 900;
	/* These are part of nothing. */
	c.v[COUNTER_idle] = 77777;
	c.v[COUNTER_weight_dropped_ns] = 77777;
	counters_books(&c, 55, &b);
	CHECK_EQ(b.produced, 1010);
	CHECK_EQ(b.runs, 1000);
	CHECK_EQ(b.missed, 10);
	CHECK_EQ(b.dropped, 35);
	CHECK_EQ(b.delivered, 965);
	CHECK_EQ(b.discarded, 10);
	CHECK_EQ(b.in_profiles, 900);
	CHECK_EQ(b.open_window, 55);
	CHECK_EQ(b.difference, 0);
}

TEST(books_tell_what_is_missing)
{
	struct counters c = { 0 };
	struct books b;

	c.v[COUNTER_runs] = 100;
	c.v[COUNTER_delivered] = 100;
	c.v[COUNTER_in_profiles] = 99;
	counters_books(&c, 0, &b);
	CHECK_EQ(b.difference, 1);
	counters_books(&c, 5, &b);
	CHECK_EQ(b.difference, 4);
	c.v[COUNTER_delivered] = 98; /* two were lost on the way, and one was written twice */
	counters_books(&c, 0, &b);
	CHECK_EQ(b.difference, 3);
}

TEST(json)
{
	_cleanup_free_ char *text = NULL;
	struct counters c = { 0 };
	struct books b;
	size_t sz;
	FILE *f = open_memstream(&text, &sz);
	struct json j = JSON_INIT(f);

	CHECK(f);
	c.v[COUNTER_runs] = 7;
	c.v[COUNTER_drop_ring_full] = 5;
	c.v[COUNTER_discard_client] = 2;
	counters_books(&c, 3, &b);
	json_object(&j, NULL);
	counters_json_books(&j, &b, &c);
	counters_json_all(&j, &c);
	json_object_end(&j);
	CHECK_EQ(fclose(f), 0);
	CHECK(strstr(text, "{\"books\": {\"produced\": 7, \"runs\": 7, \"missed\": 0, "
			   "\"delivered\": 0, \"dropped\": {\"drop_ring_full\": 5, "));
	CHECK(strstr(text, "\"open_window\": 3, \"discarded\": {"));
	CHECK(strstr(text, "\"discard_client\": 2, \"discard_forbidden\": 0, \"discard_spool\": 0, "
			   "\"discard_excluded\": 0}, \"difference\": 7}, "
			   "\"counters\": {\"runs\": 7, "));
}

CHECK_MAIN
