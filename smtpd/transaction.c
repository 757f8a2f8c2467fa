#include "lib/prelude.h"

#include "lib/xalloc.h"
#include "smtpd/transaction.h"

struct transaction *
transaction_new(const char *return_path)
{
	struct transaction *tx = xcalloc(1, sizeof(*tx));

	envelope_init(&tx->env);
	tx->env.return_path = xstrdup(return_path);
	content_init(&tx->content);
	return tx;
}

void
transaction_not_large(struct transaction *tx)
{
	if (tx->large != NULL)
		*tx->large -= tx->lent;
	tx->large = NULL;
	tx->lent = 0;
}

void
transaction_free(struct transaction **txp)
{
	struct transaction *tx = *txp;

	if (tx == NULL)
		return;
	*txp = NULL;
	transaction_not_large(tx);
	envelope_clear(&tx->env);
	content_clear(&tx->content);
	free(tx->hostname);
	free(tx->refusal);
	free(tx);
}
