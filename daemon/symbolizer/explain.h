/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* explain — the symbolizer as a helper of `cprofctl explain`: it reads one file, says what is in it, and ends. */

/* Answers on descriptor 3 until that is closed (explain_elf.h). The exit status. */
int explain_run(void);
