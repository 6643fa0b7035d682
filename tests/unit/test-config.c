/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's configuration: what is read of systemd's form, which files are, in which order, and
 * every word that is told of what is wrong.
 */

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "cprof/abi.h"
#include "cprof/base/cleanup.h"
#include "cprof/config.h"
#include "scratch.h"

#define SEC 1000000000ULL

/* What was told, a line each: "E" or "W", then the text. */
struct told {
	char text[65536];
	size_t len;
	unsigned int errors, warnings;
};

static void tell(const char *text, bool error, void *ctx)
{
	struct told *t = ctx;

	*(error ? &t->errors : &t->warnings) += 1;
	t->len += (size_t)snprintf(t->text + t->len, sizeof(t->text) - t->len, "%c %s\n",
				   error ? 'E' : 'W', text);
	CHECK(t->len < sizeof(t->text));
}

static int parse(const char *text, struct config *config, struct told *told)
{
	const struct config_text t = { .name = "f", .bytes = text, .sz = strlen(text) };

	*told = (struct told){ 0 };
	return config_parse(&t, config, tell, told);
}

/* A text that is right. */
static struct config parsed(const char *text)
{
	static struct told told;
	struct config c;

	config_defaults(&c);
	CHECK_EQ(parse(text, &c, &told), 0);
	CHECK_STR(told.text, "");
	CHECK(config_is_valid(&c));
	return c;
}

/* A text of which this is told; nothing of it counts. */
static void check_told(const char *text, const char *lines)
{
	static struct told told;
	struct config c, before;
	int r;

	config_defaults(&c);
	before = c;
	r = parse(text, &c, &told);
	CHECK_STR(told.text, lines);
	CHECK_EQ(r, told.errors ? -EINVAL : 0);
	CHECK(memcmp(&c, &before, sizeof(c)) == 0);
}

TEST(defaults)
{
	struct config c;

	memset(&c, 0xff, sizeof(c));
	CHECK(!config_is_valid(&c));
	config_defaults(&c);
	CHECK(config_is_valid(&c));
	CHECK_EQ(c.hz, 99);
	CHECK_STR(c.event, "");
	CHECK_EQ(c.frames_max, CPROF_USER_FRAMES_MAX);
	CHECK_STR(c.include, "");
	CHECK_EQ(c.window_ns, 60 * SEC);
	CHECK_STR(c.directory, "/var/lib/cprofd/profiles");
	CHECK_EQ(c.use_max, 1ULL << 30);
	CHECK_EQ(c.files_max, 200000);
	CHECK_EQ(c.keep_free_ppm, 150000);
	CHECK_EQ(c.age_max_ns, 7 * 86400 * SEC);
	CHECK_EQ(c.symbolize, 1);
	CHECK_EQ(c.cpu_ppm, 10000);
	CHECK_EQ(c.memory, 256ULL << 20);
	CHECK_EQ(c.unwind_memory, 64ULL << 20);
	CHECK_STR(c.socket, "/run/cprofd/cprofd.sock");
	CHECK_STR(c.group, "cprofd");
}

TEST(every_key)
{
	struct config c = parsed("[Sampling]\nFrequencyHz=49\nEvent=cycles\nMaxFrames=127\n"
				 "Include=comm:a*\nExclude = pid:1 unit:b\n"
				 "[Profiles]\nWindow=5min 30s\nDirectory=/srv/p\nMaxUse=512M\n"
				 "MaxFiles=1000\nKeepFree=12.5%\nMaxAge=3d\n"
				 "[Symbols]\nSymbolize=off\n[Limits]\nCPU=0.5%\nMemory=1G\n"
				 "[Control]\nSocket=/tmp/a.sock\nGroup=adm\n");

	CHECK_EQ(c.hz, 49);
	CHECK_STR(c.event, "cycles");
	CHECK_EQ(c.frames_max, 127);
	CHECK_STR(c.include, "comm:a*");
	CHECK_STR(c.exclude, "pid:1 unit:b");
	CHECK_EQ(c.window_ns, 330 * SEC);
	CHECK_STR(c.directory, "/srv/p");
	CHECK_EQ(c.use_max, 512ULL << 20);
	CHECK_EQ(c.files_max, 1000);
	CHECK_EQ(c.keep_free_ppm, 125000);
	CHECK_EQ(c.age_max_ns, 3 * 86400 * SEC);
	CHECK_EQ(c.symbolize, 0);
	CHECK_EQ(c.cpu_ppm, 5000);
	CHECK_EQ(c.memory, 1ULL << 30);
	CHECK_STR(c.socket, "/tmp/a.sock");
	CHECK_STR(c.group, "adm");
}

/* The table's own words: the default is a value, and so are the ends of what is allowed. */
TEST(table)
{
	const struct config_key *key;
	size_t cnt = 0;

	for (; (key = config_key(cnt)); cnt++) {
		char text[8192], from[64], to[64];
		struct config c, defaults = parsed("");

		(void)snprintf(text, sizeof(text), "[%s]\n%s=%s\n", key->section, key->name,
			       key->initial);
		c = parsed(text);
		CHECK(memcmp(&c, &defaults, sizeof(c)) == 0);
		CHECK(key->prose[0] && key->prose[strlen(key->prose) - 1] == '.');
		if (sscanf(key->value, "%63s to %63s", from, to) != 2)
			continue;
		(void)snprintf(text, sizeof(text), "[%s]\n%s=%s\n%s=%s\n", key->section, key->name,
			       from, key->name, to);
		(void)parsed(text);
	}
	CHECK_EQ(cnt, 17);
}

TEST(out_of_range)
{
	static const struct {
		const char *section, *key, *below, *above;
	} cases[] = {
		{ "Sampling", "FrequencyHz", "0", "10001" },
		{ "Sampling", "MaxFrames", "0", "1025" },
		{ "Profiles", "Window", "999ms", "3601s" },
		{ "Profiles", "MaxUse", "1023K", "2P" },
		{ "Profiles", "MaxFiles", "99", "100000001" },
		{ "Profiles", "KeepFree", "90.0001%", "91%" },
		{ "Profiles", "MaxAge", "999ms", "11y" },
		{ "Limits", "CPU", "0.009%", "101%" },
		{ "Limits", "Memory", "31M", "2T" },
	};

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		for (int j = 0; j < 2; j++) {
			static struct told told;
			const char *value = j ? cases[i].above : cases[i].below;
			struct config c;
			char text[256], expected[256];

			(void)snprintf(text, sizeof(text), "[%s]\n%s=%s\n", cases[i].section,
				       cases[i].key, value);
			(void)snprintf(expected, sizeof(expected),
				       "E f:2: %s=%s: out of range; allowed: ", cases[i].key,
				       value);
			config_defaults(&c);
			CHECK_EQ(parse(text, &c, &told), -EINVAL);
			if (strncmp(told.text, expected, strlen(expected)) != 0)
				CHECK_FAIL("%s is not %s", told.text, expected);
		}
	}
}

TEST(wrong_values)
{
	check_told("[Sampling]\n\nFrequencyHz=abc\n",
		   "E f:3: FrequencyHz=abc: no number; allowed: 1 to 10000\n");
	check_told(
		"[Sampling]\nFrequencyHz=99Hz\nFrequencyHz=-1\nFrequencyHz=99999999999999999999\n",
		"E f:2: FrequencyHz=99Hz: no number; allowed: 1 to 10000\n"
		"E f:3: FrequencyHz=-1: no number; allowed: 1 to 10000\n"
		"E f:4: FrequencyHz=99999999999999999999: out of range; allowed: 1 to 10000\n");
	check_told("[Sampling]\nEvent=cycle\n",
		   "E f:2: Event=cycle: no such event; "
		   "allowed: auto, or an event of cprofctl record --help\n");
	check_told("[Profiles]\nWindow=5 parsecs\nWindow=s\nWindow=99999999999y\n",
		   "E f:2: Window=5 parsecs: no time span; allowed: 1s to 1h\n"
		   "E f:3: Window=s: no time span; allowed: 1s to 1h\n"
		   "E f:4: Window=99999999999y: out of range; allowed: 1s to 1h\n");
}

TEST(wrong_sizes_and_shares)
{
	check_told("[Profiles]\nMaxUse=1GB\nMaxUse=1.5G\nMaxUse=G\nMaxUse=16E\n",
		   "E f:2: MaxUse=1GB: no size; allowed: 1M to 1P\n"
		   "E f:3: MaxUse=1.5G: no size; allowed: 1M to 1P\n"
		   "E f:4: MaxUse=G: no size; allowed: 1M to 1P\n"
		   "E f:5: MaxUse=16E: out of range; allowed: 1M to 1P\n");
	check_told("[Profiles]\nKeepFree=15\nKeepFree=.5%\nKeepFree=1.%\nKeepFree=1.00001%\n",
		   "E f:2: KeepFree=15: no percentage; allowed: 0% to 90%\n"
		   "E f:3: KeepFree=.5%: no percentage; allowed: 0% to 90%\n"
		   "E f:4: KeepFree=1.%: no percentage; allowed: 0% to 90%\n"
		   "E f:5: KeepFree=1.00001%: no percentage; allowed: 0% to 90%\n");
	check_told("[Symbols]\nSymbolize=maybe\n",
		   "E f:2: Symbolize=maybe: neither yes nor no; allowed: yes or no\n");
}

TEST(wrong_texts)
{
	char text[2048] = "[Profiles]\nDirectory=/";

	check_told("[Profiles]\nDirectory=profiles\nDirectory=//\n",
		   "E f:2: Directory=profiles: no absolute path; allowed: an absolute path\n"
		   "E f:3: Directory=//: the root directory; allowed: an absolute path\n");
	check_told("[Control]\nSocket=/run/\nSocket=/run/session.sock\nGroup=1abc\nGroup=a b\n",
		   "E f:2: Socket=/run/: a directory; allowed: an absolute path\n"
		   "E f:3: Socket=/run/session.sock: the name of the socket beside it; "
		   "allowed: an absolute path\n"
		   "E f:4: Group=1abc: no name of a group; allowed: the name of a group\n"
		   "E f:5: Group=a b: no name of a group; allowed: the name of a group\n");
	check_told("[Sampling]\nInclude=nginx\nInclude=comm:\nInclude=pid:x\nInclude=pid:0\n",
		   "E f:2: Include=nginx: a word is not KIND:GLOB; "
		   "allowed: words comm:GLOB, exe:GLOB, unit:GLOB, pid:N\n"
		   "E f:3: Include=comm:: a word is not KIND:GLOB; "
		   "allowed: words comm:GLOB, exe:GLOB, unit:GLOB, pid:N\n"
		   "E f:4: Include=pid:x: pid: without a process's number; "
		   "allowed: words comm:GLOB, exe:GLOB, unit:GLOB, pid:N\n"
		   "E f:5: Include=pid:0: pid: without a process's number; "
		   "allowed: words comm:GLOB, exe:GLOB, unit:GLOB, pid:N\n");
	memset(text + strlen(text), 'a', CONFIG_PATH_SZ);
	check_told(text,
		   "E f:2: Directory=/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		   "aaaaaaaaaaaaaaaaaaaaaaa: too long; allowed: an absolute path\n");
	check_told("[Profiles]\nDirectory=/\xff\x9b[2J\n",
		   "E f:2: Directory=/\xef\xbf\xbd\xef\xbf\xbd[2J: no clean UTF-8; "
		   "allowed: an absolute path\n");
}

/* A socket of the longest name still has room for its neighbour in sun_path. */
TEST(long_sockets)
{
	char text[256], dir[96];

	memset(dir, 'd', sizeof(dir));
	dir[0] = '/';
	(void)snprintf(text, sizeof(text), "[Control]\nSocket=%.94s/s\n", dir);
	(void)parsed(text);
	(void)snprintf(text, sizeof(text), "[Control]\nSocket=%.95s/s\n", dir);
	{
		static struct told told;
		struct config c;

		config_defaults(&c);
		CHECK_EQ(parse(text, &c, &told), -EINVAL);
		CHECK(strstr(told.text, ": too long for a socket; allowed: "));
	}
}

TEST(unknown_keys)
{
	check_told("[Sampling]\nFrequencyhz=1\nFrequenzyHz=1\nFreq=1\nMemory=1G\nNonsense=1\n",
		   "W f:2: Frequencyhz: unknown key, ignored; did you mean FrequencyHz?\n"
		   "W f:3: FrequenzyHz: unknown key, ignored; did you mean FrequencyHz?\n"
		   "W f:4: Freq: unknown key, ignored; did you mean FrequencyHz?\n"
		   "W f:5: Memory: unknown key, ignored; did you mean Memory in [Limits]?\n"
		   "W f:6: Nonsense: unknown key, ignored; keys of [Sampling]: FrequencyHz Event "
		   "MaxFrames Include Exclude\n");
	check_told("[Limits]\nCP=1%\nGPU=1\nX=1\n",
		   "W f:2: CP: unknown key, ignored; did you mean CPU?\n"
		   "W f:3: GPU: unknown key, ignored; did you mean CPU?\n"
		   "W f:4: X: unknown key, ignored; keys of [Limits]: CPU Memory UnwindMemory\n");
	check_told("[Sampling]\nKernel=yes\n[Profiles]\nKinds=cpu\n[Ship]\nURL=s3://x\nEvery=1m\n",
		   "W f:2: Kernel: not supported by this version, ignored\n"
		   "W f:4: Kinds: not supported by this version, ignored\n"
		   "W f:5: [Ship]: not supported by this version, ignored\n");
	check_told("[Limit]\nCPU=abc\n", "W f:1: [Limit]: unknown section, ignored; there are: "
					 "[Sampling] [Profiles] [Symbols] [Limits] [Control]\n");
	check_told("[X-Ours]\nCPU=abc\n[Limits]\nX-Note=1\n", "");
}

TEST(wrong_form)
{
	check_told("FrequencyHz=49\n",
		   "E f:1: FrequencyHz: in no section; a line [Section] must come before it\n");
	check_told("[Sampling]\nhello world\n= 5\n[Limits\nCPU=abc\n[]\n",
		   "E f:2: hello world: no assignment; allowed: Key=Value, [Section], # comment\n"
		   "E f:3: = 5: no assignment; allowed: Key=Value, [Section], # comment\n"
		   "E f:4: [Limits: no section; allowed: [Name]\n"
		   "E f:6: []: no section; allowed: [Name]\n");
}

TEST(form)
{
	struct config c = parsed("# comment\n; comment\n\n  [Limits]  \r\n\tCPU\t=\t2% \r\n"
				 "[Sampling]\nFrequencyHz=1\n[Limits]\nMemory=64M");

	CHECK_EQ(c.cpu_ppm, 20000);
	CHECK_EQ(c.hz, 1);
	CHECK_EQ(c.memory, 64 << 20);
	c = parsed("\xef\xbb\xbf[Limits]\nCPU=3%\n");
	CHECK_EQ(c.cpu_ppm, 30000);
	/* comments do not end a line that goes on, nor are they continued */
	c = parsed("[Sampling]\nInclude=comm:a \\\n  comm:b\\\n# no \\\n; no\n comm:c\n"
		   "# comment \\\nFrequencyHz=7\n");
	CHECK_STR(c.include, "comm:a    comm:b  comm:c");
	CHECK_EQ(c.hz, 7);
	c = parsed("[Sampling]\nInclude=comm:a\\\\\nFrequencyHz=7\nExclude=comm:b\\");
	CHECK_STR(c.include, "comm:a\\\\");
	CHECK_STR(c.exclude, "comm:b");
	CHECK_EQ(c.hz, 7);
}

/* Of a line in pieces the first is told. */
TEST(line_numbers)
{
	check_told("[Sampling]\n\n# one\nFrequencyHz\\\n=\\\nabc\nEvent=x\n",
		   "E f:4: FrequencyHz=abc: no number; allowed: 1 to 10000\n"
		   "E f:7: Event=x: no such event; "
		   "allowed: auto, or an event of cprofctl record --help\n");
}

TEST(again)
{
	struct config c = parsed("[Sampling]\nFrequencyHz=1\nFrequencyHz=2\nEvent=cycles\n"
				 "Event=auto\nInclude=comm:a\nInclude=comm:b\n");

	CHECK_EQ(c.hz, 2);
	CHECK_STR(c.event, "");
	CHECK_STR(c.include, "comm:a comm:b");
	c = parsed("[Sampling]\nFrequencyHz=1\nFrequencyHz=\nEvent=cycles\nEvent=\n"
		   "Include=comm:a\nInclude=\nInclude=comm:b\n[Profiles]\nDirectory=/x\n"
		   "Directory=\n");
	CHECK_EQ(c.hz, 99);
	CHECK_STR(c.event, "");
	CHECK_STR(c.include, "comm:b");
	CHECK_STR(c.directory, "/var/lib/cprofd/profiles");
}

TEST(long_lists)
{
	static struct told told;
	struct config c;
	char word[1100] = "[Sampling]\nInclude=comm:";
	size_t len = strlen(word);

	config_defaults(&c);
	memset(word + len, 'a', 1000);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(parse(word, &c, &told), 0);
	CHECK_EQ(strlen(c.include), 4 * 1005 + 3);
	CHECK_EQ(parse(word, &c, &told), -EINVAL);
	CHECK(strstr(told.text, ": too long; allowed: words"));
	CHECK_EQ(strlen(c.include), 4 * 1005 + 3);
	CHECK(config_is_valid(&c));
}

TEST(no_text)
{
	static const char binary[] = "[Sampling]\nFrequencyHz=\0\0abc\nabc\n";
	static struct told told;
	struct config c;
	struct config_text text = { .name = "f", .bytes = binary, .sz = sizeof(binary) - 1 };
	_cleanup_free_ char *big = calloc(1, (1 << 20) + 1), *lines = malloc(200000);

	config_defaults(&c);
	told = (struct told){ 0 };
	CHECK_EQ(config_parse(&text, &c, tell, &told), -EINVAL);
	CHECK_STR(told.text, "E f:2: no text: there is a byte 0x00\n");
	CHECK(big && lines);
	text = (struct config_text){ .name = "f", .bytes = big, .sz = (1 << 20) + 1 };
	told = (struct told){ 0 };
	CHECK_EQ(config_parse(&text, &c, tell, &told), -EINVAL);
	CHECK_STR(told.text, "E f: too large: 1048577 bytes; allowed: 1048576\n");
	memset(lines, '\n', 200000);
	for (size_t i = 0; i < 200000; i += 2)
		lines[i] = 'x';
	text = (struct config_text){ .name = "f", .bytes = lines, .sz = 200000 };
	told = (struct told){ 0 };
	CHECK_EQ(config_parse(&text, &c, tell, &told), -EINVAL);
	CHECK_EQ(told.errors, 51);
	CHECK(strstr(told.text, "E f:50: so many errors that the rest was not read\n"));
	CHECK_EQ(config_parse(&text, &c, NULL, NULL), -EINVAL);
}

/* Each value is looked at again by whoever receives one. */
TEST(validity)
{
	struct config c;
#define INVALID(change)                      \
	do {                                 \
		config_defaults(&c);         \
		change;                      \
		CHECK(!config_is_valid(&c)); \
	} while (0)

	INVALID(c.hz = 0);
	INVALID(c.hz = 10001);
	INVALID(c.frames_max = CPROF_USER_FRAMES_MAX + 1);
	INVALID(strcpy(c.event, "nothing"));
	INVALID(memset(c.event, 'a', sizeof(c.event)));
	INVALID(strcpy(c.include, "a"));
	INVALID(memset(c.exclude, ' ', sizeof(c.exclude)));
	INVALID(c.window_ns = 0);
	INVALID(c.directory[0] = '\0');
	INVALID(c.keep_free_ppm = CONFIG_PPM);
	INVALID(c.pad = 1);
	INVALID(c.symbolize = 2);
	INVALID(c.memory = UINT64_MAX);
	INVALID(c.socket[0] = 'x');
	INVALID(c.group[0] = '\0');
}

static bool globs_match(const char *globs)
{
	const struct config_subject s = {
		.comm = "tmux: server",
		.exe = "/usr/bin/tmux",
		.unit = "user@1000.service",
		.pid = 42,
	};

	return config_globs_match(globs, &s);
}

TEST(globs)
{
	const struct config_subject nobody = { 0 };

	CHECK(!globs_match(""));
	CHECK(globs_match("comm:tmux*"));
	CHECK(globs_match("comm:tmux:?server"));
	CHECK(!globs_match("comm:tmux"));
	CHECK(globs_match("exe:*"));
	CHECK(globs_match("exe:/usr/*/tmu[a-z]"));
	CHECK(globs_match("exe:/usr*tmux"));
	CHECK(!globs_match("exe:/usr/*/tmu[!a-z]"));
	CHECK(globs_match("exe:/usr/bin/tmu[^a-w]"));
	CHECK(globs_match("exe:/usr/bin/tmu[]x]"));
	CHECK(globs_match("exe:*****x"));
	CHECK(!globs_match("exe:tmux"));
	CHECK(!globs_match("exe:*tmux?"));
	CHECK(globs_match("unit:user@1000.service"));
	CHECK(globs_match("unit:user@1000"));
	CHECK(globs_match("unit:user@*"));
	CHECK(!globs_match("unit:user"));
	CHECK(globs_match("pid:42"));
	CHECK(!globs_match("pid:4"));
	CHECK(globs_match("  comm:no\tpid:7  pid:42 "));
	CHECK(!globs_match("nonsense pid:42x"));
	CHECK(!config_globs_match("comm:* exe:* unit:* pid:1", &nobody));
	/* a bracket that is not closed is one */
	CHECK(config_globs_match("comm:[a", &(struct config_subject){ .comm = "[a" }));
	CHECK(!config_globs_match("comm:[a", &(struct config_subject){ .comm = "a" }));
}

/* Anyone chooses the path; the pattern with many stars must still answer at once. */
TEST(slow_globs)
{
	static char path[4096];

	memset(path, 'a', sizeof(path) - 1);
	CHECK(!config_globs_match("exe:*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b",
				  &(struct config_subject){ .exe = path }));
}

/* Files below the current directory, which is the root. */
static void put(const char *path, const char *text)
{
	char dir[256];
	FILE *f;

	(void)snprintf(dir, sizeof(dir), "%s", path);
	for (char *p = dir; (p = strchr(p, '/')); *p++ = '/') {
		*p = '\0';
		(void)mkdir(dir, 0755);
	}
	f = fopen(path, "w");
	CHECK(f);
	CHECK(fputs(text, f) >= 0);
	CHECK_EQ(fclose(f), 0);
}

static int load(struct config_source source, struct config *ret, struct told *told)
{
	_cleanup_(root_done) struct root root = ROOT_INIT;

	CHECK_EQ(root_open(&root, "."), 0);
	*told = (struct told){ 0 };
	source.root = &root;
	source.on_problem = tell;
	source.ctx = told;
	return config_load(&source, ret);
}

static struct config loaded(struct config_source source)
{
	static struct told told;
	struct config c;
	int r = load(source, &c, &told);

	CHECK_STR(told.text, "");
	CHECK_EQ(r, 0);
	return c;
}

TEST(no_files)
{
	struct config c, defaults;

	enter_scratch();
	c = loaded((struct config_source){ 0 });
	config_defaults(&defaults);
	CHECK(memcmp(&c, &defaults, sizeof(c)) == 0);
}

TEST(files_in_order)
{
	enter_scratch();
	put("usr/lib/cprofd/cprofd.conf", "[Sampling]\nFrequencyHz=1\n");
	CHECK_EQ(loaded((struct config_source){ 0 }).hz, 1);
	put("run/cprofd/cprofd.conf", "[Sampling]\nFrequencyHz=2\n");
	CHECK_EQ(loaded((struct config_source){ 0 }).hz, 2);
	put("etc/cprofd/cprofd.conf", "[Limits]\nCPU=7%\n");
	CHECK_EQ(loaded((struct config_source){ 0 }).hz, 99);
	CHECK_EQ(loaded((struct config_source){ 0 }).cpu_ppm, 70000);
	/* every drop-in is stronger; among them the name decides, wherever they are */
	put("usr/lib/cprofd/cprofd.conf.d/50-b.conf",
	    "[Limits]\nCPU=8%\n[Sampling]\nFrequencyHz=3\n");
	put("etc/cprofd/cprofd.conf.d/10-a.conf", "[Limits]\nCPU=9%\nMemory=99M\n");
	CHECK_EQ(loaded((struct config_source){ 0 }).cpu_ppm, 80000);
	CHECK_EQ(loaded((struct config_source){ 0 }).memory, 99 << 20);
	/* a namesake hides it as a whole */
	put("run/cprofd/cprofd.conf.d/50-b.conf", "[Limits]\nCPU=10%\n");
	CHECK_EQ(loaded((struct config_source){ 0 }).cpu_ppm, 100000);
	CHECK_EQ(loaded((struct config_source){ 0 }).hz, 99);
	put("etc/cprofd/cprofd.conf.d/50-b.conf", "");
	CHECK_EQ(loaded((struct config_source){ 0 }).cpu_ppm, 90000);
	CHECK_EQ(unlink("etc/cprofd/cprofd.conf.d/50-b.conf"), 0);
	CHECK_EQ(symlink("/dev/null", "etc/cprofd/cprofd.conf.d/50-b.conf"), 0);
	CHECK_EQ(loaded((struct config_source){ 0 }).cpu_ppm, 90000);
	/* no others */
	put("etc/cprofd/cprofd.conf.d/90.conf~", "[Limits]\nCPU=11%\n");
	put("etc/cprofd/cprofd.conf.d/.90.conf", "[Sampling]\nFrequencyHz=11\n");
	put("etc/cprofd/cprofd.conf.d/.conf", "[Sampling]\nFrequencyHz=11\n");
	CHECK_EQ(loaded((struct config_source){ 0 }).cpu_ppm, 90000);
	CHECK_EQ(loaded((struct config_source){ 0 }).hz, 99);
}

TEST(file_and_options)
{
	static const char *const options[] = { "Limits.CPU=3%", "Sampling.Include=comm:b",
					       "Sampling.Include= pid:3 " };
	struct config_source source = {
		.file = "mine.conf",
		.options = options,
		.options_cnt = ELEMENTSOF(options),
	};
	struct config c;

	enter_scratch();
	put("etc/cprofd/cprofd.conf", "[Sampling]\nFrequencyHz=1\n");
	put("etc/cprofd/cprofd.conf.d/1.conf", "[Sampling]\nFrequencyHz=2\n");
	put("mine.conf", "[Limits]\nCPU=2%\nMemory=99M\n[Sampling]\nInclude=comm:a\n");
	c = loaded(source);
	CHECK_EQ(c.hz, 99);
	CHECK_EQ(c.memory, 99 << 20);
	CHECK_EQ(c.cpu_ppm, 30000);
	CHECK_STR(c.include, "comm:a comm:b pid:3");
}

TEST(wrong_options)
{
	static const char *const options[] = { "Sampling.FrequencyHz=abc",
					       "FrequencyHz=1",
					       "=",
					       "a.=1",
					       "Sampling.Hz=1",
					       "Ship.URL=x",
					       "Foo.Bar=1" };
	static struct told told;
	struct config c = { .hz = 5 };
	struct config_source source = { .options = options, .options_cnt = ELEMENTSOF(options) };

	enter_scratch();
	CHECK_EQ(load(source, &c, &told), -EINVAL);
	CHECK_EQ(c.hz, 5);
	CHECK_STR(
		told.text,
		"E -o Sampling.FrequencyHz=abc: no number; allowed: 1 to 10000\n"
		"E -o FrequencyHz=1: no assignment; allowed: Section.Key=VALUE\n"
		"E -o =: no assignment; allowed: Section.Key=VALUE\n"
		"E -o a.=1: no assignment; allowed: Section.Key=VALUE\n"
		"W -o Sampling.Hz: unknown key, ignored; keys of [Sampling]: FrequencyHz Event "
		"MaxFrames Include Exclude\n"
		"W -o [Ship]: not supported by this version, ignored\n"
		"W -o [Foo]: unknown section, ignored; there are: [Sampling] [Profiles] [Symbols] "
		"[Limits] [Control]\n");
}

/* One line for each, those of all files at once, and nothing is waited for. */
TEST(unreadable)
{
	static struct told told;
	struct config c;
	int fd;

	enter_scratch();
	CHECK_EQ(load((struct config_source){ .file = "missing" }, &c, &told), -ENOENT);
	CHECK_STR(told.text, "E missing: not read: No such file or directory\n");
	put("etc/cprofd/cprofd.conf", "[Limits]\nCPU=x\n");
	put("etc/cprofd/cprofd.conf.d/2.conf", "[Limits]\nMemory=x\n");
	CHECK_EQ(load((struct config_source){ 0 }, &c, &told), -EINVAL);
	CHECK_STR(told.text,
		  "E /etc/cprofd/cprofd.conf:2: CPU=x: no percentage; allowed: 0.01% to 100%\n"
		  "E /etc/cprofd/cprofd.conf.d/2.conf:2: Memory=x: no size; allowed: 32M to 1T\n");
	CHECK_EQ(mkdir("etc/cprofd/cprofd.conf.d/1.conf", 0755), 0);
	CHECK_EQ(mkfifo("etc/cprofd/cprofd.conf.d/3.conf", 0644), 0);
	CHECK_EQ(symlink("nowhere", "etc/cprofd/cprofd.conf.d/4.conf"), 0);
	fd = open("etc/cprofd/cprofd.conf.d/5.conf", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	CHECK(fd >= 0);
	CHECK_EQ(ftruncate(fd, 100 << 20), 0);
	close(fd);
	CHECK_EQ(load((struct config_source){ 0 }, &c, &told), -EISDIR);
	CHECK_STR(told.text,
		  "E /etc/cprofd/cprofd.conf:2: CPU=x: no percentage; allowed: 0.01% to 100%\n"
		  "E /etc/cprofd/cprofd.conf.d/1.conf: not read: it is a directory\n"
		  "E /etc/cprofd/cprofd.conf.d/2.conf:2: Memory=x: no size; allowed: 32M to 1T\n"
		  "E /etc/cprofd/cprofd.conf.d/3.conf: not read: it is no file\n"
		  "E /etc/cprofd/cprofd.conf.d/4.conf: not read: No such file or directory\n"
		  "E /etc/cprofd/cprofd.conf.d/5.conf: too large: 104857600 bytes; "
		  "allowed: 1048576\n");
}

TEST(folder_is_a_file)
{
	static struct told told;
	struct config c;

	enter_scratch();
	put("etc/cprofd/cprofd.conf.d", "");
	CHECK_EQ(load((struct config_source){ 0 }, &c, &told), -ENOTDIR);
	CHECK_STR(told.text, "E /etc/cprofd/cprofd.conf.d: not read: Not a directory\n");
}

CHECK_MAIN
