/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* confine: what this role gives up for good before it hears the first stranger. */

/*
 * @spool is the directory whose profiles it lists, lent; negative: none. Tells the launcher what is in
 * force. 0 or -errno.
 */
int confine(int spool);
