#include "lib/prelude.h"

#include "fetch/verdict.h"

int
verdict_no(struct verdict *v, enum token_no no, const char *fmt, ...)
{
	va_list ap;

	v->good = false;
	*v->name = '\0';
	v->no = no;
	va_start(ap, fmt);
	vsnprintf(v->why, sizeof(v->why), fmt, ap);
	va_end(ap);
	return -1;
}
