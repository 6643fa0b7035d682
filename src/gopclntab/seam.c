/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Names, not the numbers that the runtime gives these functions: those are counted anew in each release. A
 * name may also be that of a wrapper, which the linker makes for calls from Go to assembly and which is an
 * ordinary function: since 1.18 a flag tells them apart, before that the caller sees it by the code. See
 * docs/adr/0029 for what each of them does.
 */

#include "seam.h"

#include <string.h>

#include "cprof/base/cleanup.h"

static const struct {
	const char *name;
	enum seam seam;
} seams[] = {
	{ "_rt0_amd64", SEAM_ROOT },
	{ "_rt0_amd64_linux", SEAM_ROOT },
	{ "runtime.asmcgocall", SEAM_FRAME },
	{ "runtime.asmcgocall_no_g", SEAM_FRAME },
	{ "runtime.asyncPreempt", SEAM_EXACT },
	{ "runtime.callCgoMmap", SEAM_FRAME },
	{ "runtime.callCgoMunmap", SEAM_FRAME },
	{ "runtime.callCgoSigaction", SEAM_FRAME },
	{ "runtime.cgocallback", SEAM_FRAME },
	{ "runtime.cgocallback_gofunc", SEAM_FRAME },
	{ "runtime.clone", SEAM_BOTTOM },
	{ "runtime.goexit", SEAM_ROOT },
	{ "runtime.gogo", SEAM_BOTTOM },
	{ "gogo", SEAM_BOTTOM },
	{ "runtime.gopreempt_m", SEAM_SCHEDULER },
	{ "runtime.goschedImpl", SEAM_SCHEDULER },
	{ "runtime.jmpdefer", SEAM_LOST },
	{ "runtime.mcall", SEAM_BOTTOM },
	{ "runtime.morestack", SEAM_GROWTH },
	{ "runtime.mstart", SEAM_ROOT },
	{ "runtime.nanotime", SEAM_FRAME },
	{ "runtime.nanotime1", SEAM_FRAME },
	{ "runtime.preemptPark", SEAM_SCHEDULER },
	{ "runtime.rt0_go", SEAM_ROOT },
	{ "runtime.sigfwd", SEAM_FRAME },
	{ "runtime.sigpanic", SEAM_EXACT },
	{ "runtime.sigreturn", SEAM_SIGRETURN },
	{ "runtime.sigreturn__sigaction", SEAM_SIGRETURN },
	{ "runtime.systemstack", SEAM_SYSTEM },
	{ "runtime.vgetrandom1", SEAM_FRAME },
	{ "runtime.walltime", SEAM_FRAME },
	{ "runtime.walltime1", SEAM_FRAME },
	{ "time.now", SEAM_FRAME },
};

/* The longest of them, and what tells it from a longer one. */
#define NAME_SZ 32

static enum seam find(const char *name)
{
	for (size_t i = 0; i < ELEMENTSOF(seams); i++) {
		if (strcmp(seams[i].name, name) == 0)
			return seams[i].seam;
	}
	return SEAM_NONE;
}

static bool is_assembly(const struct tables *t, const struct gopclntab_func *f)
{
	return t->head.version < GOPCLNTAB_118 || (f->flags & GOPCLNTAB_ASM);
}

int seam_of(struct tables *t, const struct gopclntab_func *f, enum seam *ret)
{
	enum seam seam = SEAM_NONE;
	char name[NAME_SZ];
	int r = tables_name(t, f->name, name, sizeof(name));

	if (r < 0)
		return r;
	/* All of them begin with one of these letters. */
	if (strchr("_rtg", name[0]))
		seam = find(name);
	if (seam != SEAM_EXACT && seam != SEAM_SCHEDULER && !is_assembly(t, f))
		seam = SEAM_NONE;
	if (seam == SEAM_NONE && (f->flags & GOPCLNTAB_SP_WRITE))
		seam = SEAM_UNKNOWN;
	*ret = seam;
	return 0;
}
