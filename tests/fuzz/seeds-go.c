/* SPDX-License-Identifier: Apache-2.0 */

/* As fuzz-go-lines takes them: the program's data, where the trees are, then the table. */

#include "gopclntab-lines-fixture.h"
#include "seeds.h"

static const struct fake_source sources[] = {
	{ .name = "main.outer",
	  .size = 64,
	  .start_line = 10,
	  .files = { { 0, 0 }, { 20, 1 } },
	  .lines = { { 0, 10 }, { 20, 105 }, { 30, 207 } },
	  .calls = { { 0, -1 }, { 12, 0 }, { 30, 1 }, { 40, -1 } },
	  .tree = { { "main.middle", 11, 100, -1 }, { "main.inner", 21, 200, 0 } } },
	{ .name = "main.F[go.shape.int]", .size = 32, .unit = 4, .lines = { { 0, 3 } } },
};

const char *seeds_go(size_t i, uint8_t bytes[static SEEDS_GO_MAX], size_t *ret_sz)
{
	static const struct {
		const char *name;
		enum gopclntab_version version;
	} seeds[] = {
		{ "go116", GOPCLNTAB_116 },
		{ "go118", GOPCLNTAB_118 },
		{ "go120", GOPCLNTAB_120 },
	};
	struct fake_lines l;

	if (i >= ELEMENTSOF(seeds))
		return NULL;
	fake_lines(&l, seeds[i].version, sources, ELEMENTSOF(sources));
	memcpy(bytes, l.memory, FAKE_MEMORY_SZ);
	memcpy(bytes + FAKE_MEMORY_SZ, l.t.v, l.t.cnt);
	*ret_sz = FAKE_MEMORY_SZ + l.t.cnt;
	return seeds[i].name;
}
