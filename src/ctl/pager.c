/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A pipe and a child. The child tries one pager after the other; the last is cat(1), so that what was
 * asked for is shown in any case. A pager that root got by sudo(8) must not give out shells: less is
 * told so, unless somebody chose otherwise.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cprof/base/cleanup.h"
#include "pager.h"

__attribute__((noreturn)) static void pager_main(int from, const char *chosen,
						 enum pager_lines lines)
{
	/* 127: there is no such program, and nothing was read yet. */
	static const char script[] = "eval \"$1\"; r=$?; [ $r -ne 127 ] || exec cat; exit $r";

	if (dup2(from, STDIN_FILENO) < 0)
		_exit(CTL_FAILED);
	(void)setenv("LESS", lines == PAGER_CHOP ? "FRSX" : "FRX", 0);
	(void)setenv("LESSSECURE", "1", 0);
	if (chosen)
		(void)execl("/bin/sh", "sh", "-c", script, "sh", chosen, (char *)NULL);
	(void)execlp("less", "less", (char *)NULL);
	(void)execlp("more", "more", (char *)NULL);
	(void)execlp("cat", "cat", (char *)NULL);
	_exit(CTL_FAILED);
}

struct pager pager_open(const struct ctl_globals *globals, enum pager_lines lines)
{
	const char *chosen = getenv("PAGER"), *term = getenv("TERM");
	_cleanup_close_ int from = -EBADF, to = -EBADF;
	struct pager p = { 0 };
	int ends[2];

	if (globals->no_pager || globals->json || !isatty(STDOUT_FILENO))
		return p;
	if (!term || strcmp(term, "dumb") == 0 ||
	    (chosen && (!*chosen || strcmp(chosen, "cat") == 0)))
		return p;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return p;
	from = ends[0];
	to = ends[1];
	(void)fflush(stdout);
	p.pid = fork();
	if (p.pid == 0)
		pager_main(from, chosen, lines);
	if (p.pid < 0 || dup2(to, STDOUT_FILENO) < 0)
		p.pid = 0;
	return p;
}

void pager_close(struct pager *p)
{
	if (p->pid == 0)
		return;
	/* Ctrl-C is the pager's now: it stays, and so must we, or the shell takes its keys. */
	(void)signal(SIGINT, SIG_IGN);
	(void)fflush(stdout);
	(void)close(STDOUT_FILENO);
	(void)TEMP_FAILURE_RETRY(waitpid(p->pid, NULL, 0));
	p->pid = 0;
}
