/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What functions are called.
 *
 * A compiler splits and copies functions, and appends to each piece's name what it is. For whoever reads a
 * profile these are one function, so the suffix goes; the name as it is remains beside it (system_name).
 *
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

#include <errno.h>
#include <setjmp.h>
#include <string.h>

/* libiberty's own <demangle.h> pulls in its whole <ansidecl.h>; found as <libiberty/demangle.h>. */
#include <libiberty/demangle.h>

#define PLT_SUFFIX "@plt" /* a stub's name: of what it leads to, and this */

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
	if (len > 0) /* else there may be no text at all */
		memcpy(out->dst + out->len, s, len);
	out->len += len;
}

/* Its own frame, so that nothing lives in a register over the jump. */
static __attribute__((noinline)) int run_rust(const char *name, struct output *out)
{
	if (setjmp(out->full) != 0)
		return -E2BIG;
	return rust_demangle_callback(name, 0, take_output, out) != 0;
}

static __attribute__((noinline)) bool run_cplus(const char *name, struct output *out)
{
	if (setjmp(out->full) != 0)
		return false;
	return cplus_demangle_v3_callback(name, DMGL_ANSI, take_output, out) != 0;
}

/* A mangled name has no dot in it, and the demangler would drop what is behind one. */
static bool run_with_suffix(const char *name, const char *dot, struct output *out)
{
	char core[SYMTAB_NAME_MAX + 1];
	size_t len = (size_t)(dot - name);

	if (len >= sizeof(core))
		return false;
	memcpy(core, name, len);
	core[len] = '\0';
	if (!run_cplus(core, out) || out->len == 0 || strlen(dot) >= out->sz - out->len)
		return false;
	memcpy(out->dst + out->len, dot, strlen(dot));
	out->len += strlen(dot);
	return true;
}

size_t symtab_demangle(const char *name, char *dst, size_t dst_sz)
{
	struct output out = { .dst = dst, .sz = dst_sz };
	const char *dot = strchr(name, '.');
	int r;

	if (dst_sz == 0 || name[0] != '_')
		return 0;
	r = run_rust(name, &out);
	if (r == 0) {
		out.len = 0;
		r = dot ? run_with_suffix(name, dot, &out) : run_cplus(name, &out);
	}
	if (r <= 0 || out.len == 0)
		return 0;
	dst[out.len] = '\0';
	return out.len;
}

/* What compilers append. Of Go's names those without a number may be the function's own. */
struct clone_suffix {
	const char *word;
	bool bare; /* it may come without a number */
};

static const struct clone_suffix clone_suffixes[] = {
	{ "cold", true },			       /* what is hardly ever run of it */
	{ "part", false },			       /* what was not inlined of it */
	{ "isra", false },			       /* takes other parameters */
	{ "constprop", false }, { "lto_priv", false }, /* of several that had one name in their files */
	{ "llvm", false },	{ "__uniq", false },   { "localalias", true },
};

static bool is_clone_suffix(const char *word, size_t len, bool bare, enum symtab_naming naming)
{
	for (size_t i = 0; i < ELEMENTSOF(clone_suffixes); i++) {
		const struct clone_suffix *s = &clone_suffixes[i];

		if (strlen(s->word) == len && memcmp(s->word, word, len) == 0)
			return !bare || (s->bare && naming != SYMTAB_NAMING_GO);
	}
	return false;
}

/* The length without the last suffix; @len: it has none. */
static size_t drop_suffix(const char *name, size_t len, enum symtab_naming naming)
{
	size_t end = len, begin;
	bool bare = true;

	while (end > 0 && name[end - 1] >= '0' && name[end - 1] <= '9')
		end--;
	if (end < len && end > 0 && name[end - 1] == '.') {
		bare = false;
		end--;
	} else {
		end = len;
	}
	begin = end;
	while (begin > 0 && name[begin - 1] != '.')
		begin--;
	if (begin < 2 || !is_clone_suffix(name + begin, end - begin, bare, naming))
		return len;
	return begin - 1;
}

/* The name without its end, which follows what that is called. */
static size_t readable_plt(const char *name, size_t len, char *dst, size_t dst_sz)
{
	const size_t end = sizeof(PLT_SUFFIX) - 1;
	char core[SYMTAB_NAME_MAX + 1];
	size_t out;

	if (len - end >= sizeof(core) || dst_sz <= end)
		return 0;
	memcpy(core, name, len - end);
	core[len - end] = '\0';
	out = symtab_demangle(core, dst, dst_sz - end);
	if (out > 0)
		memcpy(dst + out, PLT_SUFFIX, end + 1);
	return out > 0 ? out + end : 0;
}

static bool is_plt(const char *name, size_t len)
{
	const size_t end = sizeof(PLT_SUFFIX) - 1;

	return len > end && memcmp(name + len - end, PLT_SUFFIX, end) == 0;
}

size_t symtab_readable(const char *name, enum symtab_naming naming, char *dst, size_t dst_sz)
{
	size_t all = strlen(name), len = all, less, out;
	char core[SYMTAB_NAME_MAX + 1];

	if (naming != SYMTAB_NAMING_ANY && is_plt(name, all))
		return readable_plt(name, all, dst, dst_sz);
	while (naming != SYMTAB_NAMING_ANY && (less = drop_suffix(name, len, naming)) < len)
		len = less;
	if (len == all || len >= sizeof(core))
		return symtab_demangle(name, dst, dst_sz);
	memcpy(core, name, len);
	core[len] = '\0';
	out = symtab_demangle(core, dst, dst_sz);
	if (out > 0 || len >= dst_sz)
		return out;
	memcpy(dst, core, len + 1);
	return len;
}
