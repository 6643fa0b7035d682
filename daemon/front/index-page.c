/* SPDX-License-Identifier: Apache-2.0 */

/*
 * /debug/pprof/: what there is and how to fetch it, for a person with a browser behind a relay, or with
 * curl. Everything that a process chose is escaped; there is no script and nothing from elsewhere.
 */

#include <inttypes.h>

#include "pages.h"

#define INDEX_PROCESSES 100

static void put_escaped(FILE *f, const char *s)
{
	for (; *s; s++) {
		switch (*s) {
		case '&':
			fputs("&amp;", f);
			break;
		case '<':
			fputs("&lt;", f);
			break;
		case '>':
			fputs("&gt;", f);
			break;
		case '"':
			fputs("&quot;", f);
			break;
		case '\'':
			fputs("&#39;", f);
			break;
		default:
			fputc(*s, f);
		}
	}
}

/* A name in a path: everything but letters, digits and "-._~" is encoded. */
static void put_encoded(FILE *f, const char *s)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    c == '-' || c == '.' || c == '_' || c == '~')
			fputc(c, f);
		else
			fprintf(f, "%%%02X", c);
	}
}

static void put_base(FILE *f, const struct route *route)
{
	if (route->scope == ROUTE_PID)
		fprintf(f, "/pid/%" PRIu32, route->pid);
	if (route->scope == ROUTE_UNIT) {
		fputs("/unit/", f);
		put_encoded(f, route->unit);
	}
	fputs("/debug/pprof/", f);
}

static void put_whose(FILE *f, const struct route *route)
{
	if (route->scope == ROUTE_PID) {
		fprintf(f, "process %" PRIu32, route->pid);
	} else if (route->scope == ROUTE_UNIT) {
		fputs("unit ", f);
		put_escaped(f, route->unit);
	} else {
		fputs("the machine", f);
	}
}

static void put_kinds(FILE *f, const struct route *route)
{
	const struct route_kind *k;

	fputs("<table>\n<tr><th>Profile</th><th>What it is</th></tr>\n", f);
	for (size_t i = 0; (k = route_kind(i)); i++) {
		fputs("<tr><td>", f);
		if (!k->missing) {
			fputs("<a href=\"", f);
			put_base(f, route);
			fprintf(f, "%s\">%s</a>", k->name, k->name);
		} else {
			fputs(k->name, f);
		}
		fprintf(f, "</td><td>%s%s%s</td></tr>\n", k->prose, k->missing ? " &ndash; " : "",
			k->missing ? k->missing : "");
	}
	fputs("</table>\n", f);
}

static void put_processes(FILE *f, const struct pages_processes *p)
{
	double window_ns = (double)p->head->window_ns;

	fputs("<h2>Processes of the last window, by CPU time</h2>\n<table>\n"
	      "<tr><th>pid</th><th>CPU</th><th>name</th><th>unit</th></tr>\n",
	      f);
	for (size_t i = 0; i < p->cnt && i < INDEX_PROCESSES; i++) {
		const struct control_process *row = &p->rows[i];

		fprintf(f, "<tr><td><a href=\"/pid/%" PRIu32 "/debug/pprof/\">%" PRIu32 "</a></td>",
			row->pid, row->pid);
		fprintf(f, "<td>%.1f%%</td><td>",
			window_ns > 0 ? 100 * (double)row->weight_ns / window_ns : 0);
		put_escaped(f, row->comm);
		fputs("</td><td>", f);
		put_escaped(f, row->unit);
		fputs("</td></tr>\n", f);
	}
	fputs("</table>\n", f);
	if (p->cnt > INDEX_PROCESSES)
		fprintf(f, "<p>The first %d of %zu; <a href=\"/ps\">/ps</a> has all.</p>\n",
			INDEX_PROCESSES, p->cnt);
}

void pages_index(FILE *f, const struct route *route, const struct pages_processes *p)
{
	fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
	      "<title>cprofd: /debug/pprof/</title>\n"
	      "<style>body{font-family:sans-serif;max-width:60em}td,th{text-align:left;"
	      "padding:0 1em 0 0;vertical-align:top}</style></head>\n<body>\n<h1>Profiles of ",
	      f);
	put_whose(f, route);
	fputs("</h1>\n", f);
	put_kinds(f, route);
	fputs("<p>Fetch one, and look at it:</p>\n"
	      "<pre>curl --unix-socket /run/cprofd/cprofd.sock -o cpu.pb.gz "
	      "'http://cprofd",
	      f);
	put_base(f, route);
	fputs("profile?seconds=10'\ncprofctl top cpu.pb.gz\n"
	      "go tool pprof -top cpu.pb.gz</pre>\n"
	      "<p>seconds= is how long (30), hz= how often a second (the daemon's rate).\n"
	      "One process is behind /pid/N/debug/pprof/, a systemd unit behind "
	      "/unit/NAME/debug/pprof/.</p>\n",
	      f);
	if (p)
		put_processes(f, p);
	fputs("</body></html>\n", f);
}
