/* SPDX-License-Identifier: Apache-2.0 */
/* keys — see keys.h. The prose is that of cprofd.conf(5). */

#include <assert.h>
#include <string.h>

#include "cprof/abi.h"
#include "cprof/base/cleanup.h"
#include "cprof/base/clock.h"
#include "keys.h"
#include "values.h"

#define FIELD(name) .at = offsetof(struct config, name), .width = sizeof(((struct config *)0)->name)
#define TEXT_OF(number) #number
#define TEXT(number) TEXT_OF(number)

#define MIB (1ULL << 20)
#define DAY (86400 * NSEC_PER_SEC)

#define WORDS "words comm:GLOB, exe:GLOB, unit:GLOB, pid:N"

static const struct key keys[] = {
	{ .row = { "Sampling", "FrequencyHz", "1 to 10000", "99",
		   "Samples a second on each busy CPU. "
		   "The periods are drawn at random around that, so that no program's rhythm hides "
		   "it." },
	  FIELD(hz),
	  .read = value_number,
	  .min = 1,
	  .max = 10000 },
	{ .row = { "Sampling", "Event", "auto, or an event of cprofctl record --help", "auto",
		   "What is sampled. "
		   "The default, auto, is cpu-clock: CPU time, which every machine can tell." },
	  FIELD(event),
	  .check = value_event,
	  .none = "auto" },
	{ .row = { "Sampling", "MaxFrames", "1 to " TEXT(CPROF_USER_FRAMES_MAX),
		   TEXT(CPROF_USER_FRAMES_MAX),
		   "User frames that are kept of a stack, from the leaf on. "
		   "Stacks that were cut are counted in the profile." },
	  FIELD(frames_max),
	  .read = value_number,
	  .min = 1,
	  .max = CPROF_USER_FRAMES_MAX },
	{ .row = { "Sampling", "Include", WORDS, "",
		   "Only processes that one of the words matches get profiles. "
		   "Empty: all do." },
	  FIELD(include),
	  .check = value_globs,
	  .none = "",
	  .list = true },
	{ .row = { "Sampling", "Exclude", WORDS, "",
		   "Processes that one of the words matches get none, also where Include= names "
		   "them." },
	  FIELD(exclude),
	  .check = value_globs,
	  .none = "",
	  .list = true },
	{ .row = { "Profiles", "Window", "1s to 1h", "60s",
		   "The time that one file is of: then it is closed, written, and the next "
		   "begins." },
	  FIELD(window_ns),
	  .read = value_span,
	  .min = NSEC_PER_SEC,
	  .max = 3600 * NSEC_PER_SEC },
	{ .row = { "Profiles", "Directory", "an absolute path", "/var/lib/cprofd/profiles",
		   "Where profiles are kept. "
		   "It is made where it is missing." },
	  FIELD(directory),
	  .check = value_path },
	{ .row = { "Profiles", "MaxUse", "1M to 1P", "1G",
		   "The room that profiles may take, as the file system counts it. "
		   "The oldest go first." },
	  FIELD(use_max),
	  .read = value_size,
	  .min = MIB,
	  .max = 1ULL << 50 },
	{ .row = { "Profiles", "MaxFiles", "100 to 100000000", "200000",
		   "How many files there may be. "
		   "The oldest go first." },
	  FIELD(files_max),
	  .read = value_number,
	  .min = 100,
	  .max = 100000000 },
	{ .row = { "Profiles", "KeepFree", "0% to 90%", "15%",
		   "The share of the file system, of its room and of its inodes, that profiles "
		   "leave "
		   "free for others. "
		   "On a fuller one only a small floor is used, and the status says so." },
	  FIELD(keep_free_ppm),
	  .read = value_share,
	  .min = 0,
	  .max = CONFIG_PPM / 10 * 9 },
	{ .row = { "Profiles", "MaxAge", "1s to 10y", "7d", "Older profiles are removed." },
	  FIELD(age_max_ns),
	  .read = value_span,
	  .min = NSEC_PER_SEC,
	  .max = 315576000 * NSEC_PER_SEC },
	{ .row = { "Symbols", "Symbolize", "yes or no", "yes",
		   "Whether frames get the names of functions. "
		   "Without, profiles hold objects and offsets only." },
	  FIELD(symbolize),
	  .read = value_bool,
	  .min = 0,
	  .max = 1 },
	{ .row = { "Limits", "CPU", "0.01% to 100%", "1%",
		   "The share of all CPUs that cprofd may take: all its processes and what runs in "
		   "the kernel for it, as a mean of 60 seconds. "
		   "It is never below 5 % of one CPU." },
	  FIELD(cpu_ppm),
	  .read = value_share,
	  .min = CONFIG_PPM / 10000,
	  .max = CONFIG_PPM },
	{ .row = { "Limits", "Memory", "32M to 1T", "256M",
		   "The memory that cprofd may take: that of all its processes, with what they "
		   "share "
		   "divided among them, and that of its maps in the kernel. Near it names are put "
		   "off, windows "
		   "end early, files that are not in use are forgotten, and samples beyond count "
		   "without their stacks." },
	  FIELD(memory),
	  .read = value_size,
	  .min = 32 * MIB,
	  .max = 1ULL << 40 },
	{ .row = { "Limits", "UnwindMemory", "2M to 256M", "64M",
		   "Of that, what the rows may take by which stacks without frame pointers are "
		   "walked. Beyond "
		   "it those of files that were not used lately go, and stacks that want one that "
		   "found no "
		   "room end there (no_room)." },
	  FIELD(unwind_memory),
	  .read = value_size,
	  .min = 2 * MIB,
	  .max = 256 * MIB },
	{ .row = { "Control", "Socket", "an absolute path", "/run/cprofd/cprofd.sock",
		   "Where the daemon answers. "
		   "The socket for recordings, session.sock, lies beside it." },
	  FIELD(socket),
	  .check = value_socket },
	{ .row = { "Control", "Group", "the name of a group", "cprofd",
		   "Its members see all processes, as root does. "
		   "Others see their own." },
	  FIELD(group),
	  .check = value_group },
};

static const struct {
	const char *section;
	const char *name;
} later[] = {
	{ "Sampling", "Kernel" },
	{ "Profiles", "Kinds" },
	{ "Profiles", "ThreadLabels" },
	{ "Symbols", "Inlines" },
	{ "Symbols", "DebugDirectories" },
	{ "Symbols", "MaxFileSize" },
	{ "Symbols", "CacheMemory" },
	{ "Symbols", "WorkerMemory" },
	{ "Ship", "URL" },
	{ "Ship", "Every" },
	{ "Ship", "Spread" },
	{ "Ship", "MaxBandwidth" },
	{ "Ship", "Cluster" },
	{ "Ship", "Zone" },
	{ "Ship", "Labels" },
};

const struct config_key *config_key(size_t i)
{
	return i < ELEMENTSOF(keys) ? &keys[i].row : NULL;
}

const struct key *key_find(const char *section, const char *name)
{
	for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
		if (strcmp(keys[i].row.section, section) == 0 &&
		    strcmp(keys[i].row.name, name) == 0)
			return &keys[i];
	}
	return NULL;
}

bool section_is_known(const char *section)
{
	for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
		if (strcmp(keys[i].row.section, section) == 0)
			return true;
	}
	return false;
}

bool key_is_later(const char *section, const char *name)
{
	if (!name && section_is_known(section))
		return false;
	for (size_t i = 0; i < ELEMENTSOF(later); i++) {
		if (strcmp(later[i].section, section) == 0 &&
		    (!name || strcmp(later[i].name, name) == 0))
			return true;
	}
	return false;
}

/* Numbers are 32 or 64 bits wide. */
static void store_number(const struct key *key, uint64_t v, struct config *config)
{
	if (key->width == sizeof(uint32_t))
		memcpy((char *)config + key->at, &(uint32_t){ (uint32_t)v }, sizeof(uint32_t));
	else
		memcpy((char *)config + key->at, &v, sizeof(v));
}

static uint64_t load_number(const struct key *key, const struct config *config)
{
	uint32_t narrow;
	uint64_t v;

	memcpy(&narrow, (const char *)config + key->at, sizeof(narrow));
	if (key->width == sizeof(narrow))
		return narrow;
	memcpy(&v, (const char *)config + key->at, sizeof(v));
	return v;
}

static const char *set_number(const struct key *key, const char *value, struct config *config)
{
	uint64_t v = 0;
	const char *why = key->read(value, &v);

	if (why)
		return why;
	if (v < key->min || v > key->max)
		return VALUE_RANGE;
	store_number(key, v, config);
	return NULL;
}

static const char *set_text(const struct key *key, const char *value, struct config *config)
{
	char *field = (char *)config + key->at;
	bool none = key->none && strcmp(value, key->none) == 0;
	size_t len = none ? 0 : strlen(value);
	size_t before = key->list && len > 0 ? strlen(field) : 0, space = before > 0;
	const char *why = none ? NULL : key->check(value);

	if (why)
		return why;
	if (len + space >= key->width - before)
		return "too long";
	memset(field + before, ' ', space);
	before += space;
	memcpy(field + before, value, len);
	/* To the end: what is sent to others tells nothing of what was there before. */
	memset(field + before + len, 0, key->width - before - len);
	return NULL;
}

static void reset(const struct key *key, struct config *config)
{
	const char *why;

	memset((char *)config + key->at, 0, key->width);
	why = key->read ? set_number(key, key->row.initial, config)
			: set_text(key, key->row.initial, config);
	assert(!why);
}

const char *key_set(const struct key *key, const char *value, struct config *config)
{
	if (!*value) {
		reset(key, config);
		return NULL;
	}
	return key->read ? set_number(key, value, config) : set_text(key, value, config);
}

void config_defaults(struct config *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < ELEMENTSOF(keys); i++)
		reset(&keys[i], ret);
}

static bool key_is_valid(const struct key *key, const struct config *config)
{
	const char *text = (const char *)config + key->at;

	if (key->read) {
		uint64_t v = load_number(key, config);

		return v >= key->min && v <= key->max;
	}
	if (!memchr(text, '\0', key->width))
		return false;
	return *text ? !key->check(text) : key->none != NULL;
}

bool config_is_valid(const struct config *config)
{
	for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
		if (!key_is_valid(&keys[i], config))
			return false;
	}
	return config->pad == 0;
}
