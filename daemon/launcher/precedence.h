/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * precedence — the nice value that the service was given, made to count.
 *
 * Where the kernel groups tasks by session (sched(7), autogroup: the default of most distributions), a nice
 * value counts only within the session. A service is a session of its own, so the session gets its nice
 * value; one that was started in somebody else's, a shell's, leaves that alone. The roles that shall not
 * have precedence have sessions of their own (spawn.c).
 */

/* What cannot be had is done without. */
void precedence_take(void);
