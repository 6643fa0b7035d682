/* SPDX-License-Identifier: Apache-2.0 */

/*
 * C++ and Rust names by libiberty's demangler, with its output cut off where it grows too long.
 *
 * A mangled name of 245 bytes can stand for 54 MB of text, doubling every few bytes. The callback
 * form streams the output, but a callback cannot end the work, so ours leaves by longjmp once the
 * limit is passed: these two functions keep their state on the stack (the Rust one may lose the
 * buffer of a punycode identifier, of such a name only). libiberty itself refuses names that nest
 * too deep. What is left of its risks is why only the symbolizer links it.
 *
 * C++ names come without parameters and return types and with template arguments: pprof takes a
 * name that is not mangled as it is. Rust's "::h0123456789abcdef" is dropped.
 */

#include "cprof/symtab.h"

#include <setjmp.h>
#include <string.h>

/* libiberty's own <demangle.h> pulls in its whole <ansidecl.h>; found as <libiberty/demangle.h>. */
#include <libiberty/demangle.h>

struct output {
	char *dst;
	size_t sz;
	size_t len;
	jmp_buf full;
};

static void take_output(const char *s, size_t len, void *opaque)
{
	struct output *out = opaque;

	if (len >= out->sz - out->len)
		longjmp(out->full, 1);
	memcpy(out->dst + out->len, s, len);
	out->len += len;
}

/* Its own frame, so that nothing lives in a register over the jump. */
static __attribute__((noinline)) bool run(const char *name, struct output *out)
{
	if (setjmp(out->full) != 0)
		return false;
	if (rust_demangle_callback(name, 0, take_output, out) != 0)
		return true;
	out->len = 0;
	return cplus_demangle_v3_callback(name, DMGL_ANSI, take_output, out) != 0;
}

size_t symtab_demangle(const char *name, char *dst, size_t dst_sz)
{
	struct output out = { .dst = dst, .sz = dst_sz };

	if (dst_sz == 0 || name[0] != '_')
		return 0;
	if (!run(name, &out) || out.len == 0)
		return 0;
	dst[out.len] = '\0';
	return out.len;
}
