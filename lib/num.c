#include "lib/prelude.h"

#include "lib/num.h"

struct unit {
	char	 letter;
	uint64_t factor;
	const char *word;
};

/* Largest first, so that printing finds the shortest form. */
static const struct unit size_units[] = {
	{ 'G', 1 << 30, NULL }, { 'M', 1 << 20, NULL }, { 'K', 1 << 10, NULL },
	{ '\0', 1, NULL }
};

static const struct unit duration_units[] = {
	{ 'w', 604800, "week" }, { 'd', 86400, "day" }, { 'h', 3600, "hour" },
	{ 'm', 60, "minute" }, { 's', 1, "second" }
};

int
num_parse(const char *s, size_t len, uint64_t min, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;
	size_t i;

	if (len == 0)
		return -1;
	for (i = 0; i < len; i++) {
		unsigned int digit = (unsigned int)(uint8_t)s[i] - '0';

		if (digit > 9 || v > (UINT64_MAX - digit) / 10)
			return -1;
		v = v * 10 + digit;
	}
	if (v < min || v > max)
		return -1;
	*out = v;
	return 0;
}

static int
parse_unit(const char *s, const struct unit *units, size_t n, uint64_t *out)
{
	size_t i, len = strlen(s);
	uint64_t factor = 1, v;

	if (len == 0)
		return -1;
	for (i = 0; i < n; i++)
		if (units[i].letter != '\0' && s[len - 1] == units[i].letter) {
			factor = units[i].factor;
			len--;
			break;
		}
	if (num_parse(s, len, 0, UINT64_MAX / factor, &v) == -1)
		return -1;
	*out = v * factor;
	return 0;
}

int
num_parse_size(const char *s, uint64_t *bytes)
{
	return parse_unit(s, size_units, nitems(size_units), bytes);
}

int
num_parse_duration(const char *s, uint64_t *sec)
{
	return parse_unit(s, duration_units, nitems(duration_units), sec);
}

static const char *
print_unit(uint64_t v, const struct unit *u, char text[NUM_TEXT_LEN])
{
	while (u->factor > 1 && (v == 0 || v % u->factor != 0))
		u++;
	if (u->letter == '\0')
		snprintf(text, NUM_TEXT_LEN, "%llu", (unsigned long long)v);
	else
		snprintf(text, NUM_TEXT_LEN, "%llu%c",
		    (unsigned long long)(v / u->factor), u->letter);
	return text;
}

const char *
num_print_size(uint64_t bytes, char text[NUM_TEXT_LEN])
{
	return print_unit(bytes, size_units, text);
}

const char *
num_print_duration(uint64_t sec, char text[NUM_TEXT_LEN])
{
	return print_unit(sec, duration_units, text);
}

const char *
num_print_count(uint64_t n, const char *word, char text[NUM_TEXT_LEN])
{
	snprintf(text, NUM_TEXT_LEN, "%llu %.24s%s", (unsigned long long)n,
	    word, n == 1 ? "" : "s");
	return text;
}

const char *
num_print_wait(uint64_t sec, char text[NUM_TEXT_LEN])
{
	const struct unit *u = duration_units;

	/* Two of a unit are worth naming it: 90 minutes, not 2 hours. */
	while (u->factor > 1 && sec < 2 * u->factor && sec != u->factor)
		u++;
	return num_print_count(sec / u->factor + (sec % u->factor != 0),
	    u->word, text);
}

const char *
num_print_bytes(uint64_t bytes, char text[NUM_TEXT_LEN])
{
	const struct unit *u = size_units;
	unsigned long long whole, tenths;

	while (u->factor > 1 && bytes < u->factor)
		u++;
	if (u->factor == 1)
		return num_print_count(bytes, "byte", text);
	whole = bytes / u->factor;
	tenths = bytes % u->factor * 10 / u->factor;
	if (tenths == 0)
		snprintf(text, NUM_TEXT_LEN, "%llu %cB", whole, u->letter);
	else
		snprintf(text, NUM_TEXT_LEN, "%llu.%llu %cB", whole, tenths,
		    u->letter);
	return text;
}
