/* SPDX-License-Identifier: GPL-2.0-only */

/* test-plausible — the edges of what may be an address of code. */

#include "../unit/check.h"
#include "kenv-host.h"

struct kenv_image kenv_image;

#include "plausible.h"

TEST(edges)
{
	CHECK(!plausible_code(0));
	CHECK(!plausible_code(0xffff));
	CHECK(plausible_code(0x10000));
	CHECK(plausible_code(0x400000));
	CHECK(plausible_code(0x7fffffffffff));
	CHECK(!plausible_code(0x800000000000));
	CHECK(!plausible_code(0xffffffff81000000));
}

CHECK_MAIN
