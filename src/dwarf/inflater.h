/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* inflater — any place of a section that was packed, without unpacking all of it each time. */

#include "cprof/elf_file.h"
#include "ledger.h"

struct inflater;

/* Of what lies where @e says. 0; -EBADMSG: it cannot be that large; -errno. */
int inflater_new(const struct elf_file *f, const struct elf_section *e, struct ledger *ledger,
		 struct inflater **ret);
struct inflater *inflater_free(struct inflater *in);

/* It was gone through: what is kept of it is let go of, if that can be had again without going through it all. */
void inflater_settle(struct inflater *in);
/* Nobody reads for some time: of what can be had again from check points only these are left. */
void inflater_rest(struct inflater *in);

/* All @sz bytes from @offset on, which are within the size that it was said to have. 0 or -errno. */
int inflater_read(struct inflater *in, uint64_t offset, void *dst, size_t sz);

DEFINE_CLEANUP(struct inflater *, inflater_free);
