/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* symtab_readable — what people call a function whose symbol a compiler made. */

#include <stddef.h>

/* What may be appended to the name of a function, by who made it. */
enum symtab_naming {
	SYMTAB_NAMING_ANY, /* of a compiler at run time: every text is a name */
	SYMTAB_NAMING_C,   /* C, C++, Rust: a dot begins what a compiler appended */
	SYMTAB_NAMING_GO,  /* names have dots, and C may be linked in */
};

/*
 * What people call a function: the readable form of its name, without what compilers append to the names of
 * its parts and copies (".cold", ".part.0", ".isra.0", ".constprop.0", ".lto_priv.0", ".llvm.1"), for those are the same
 * lines of source. As symtab_demangle(); 0 when @name is that already.
 */
size_t symtab_readable(const char *name, enum symtab_naming naming, char *dst, size_t dst_sz);

/*
 * The readable form of a C++ or Rust name: C++ without parameters, with templates; Rust without the hash; what
 * follows a dot behind a C++ name stays. Writes at most @dst_sz - 1 bytes and a NUL and returns their number; 0
 * when @name is not mangled, cannot be demangled, or does not fit (then it is shown as it is).
 */
size_t symtab_demangle(const char *name, char *dst, size_t dst_sz);
