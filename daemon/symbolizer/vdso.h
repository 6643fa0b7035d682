/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* vdso — the code that the kernel maps into every process, as a file. */

/* A memfd with our own mapping's bytes, the caller's to close; or -errno: there is none. */
int vdso_copy(void);
