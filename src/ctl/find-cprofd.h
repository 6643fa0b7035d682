/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * find-cprofd — the launcher that belongs to this cprofctl: beside its real path (a prefix, or the
 * build tree), else the installed one. Never by PATH: it is started as root.
 */

#include <limits.h>

/* @self is cprofctl's own path, @last the one to try after those beside it. 0 or -ENOENT. */
int find_cprofd_beside(const char *self, const char *last, char ret_path[static PATH_MAX]);
/* By /proc/self/exe. */
int find_cprofd(char ret_path[static PATH_MAX]);
