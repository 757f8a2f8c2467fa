/*
 * tls_pairs: a key and a self-signed certificate of each type, made on the
 * spot; shared by the tests of both ends of the signing channel.
 */
#ifndef TESTS_UNIT_TLS_PAIRS_H
#define TESTS_UNIT_TLS_PAIRS_H

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

__attribute__((unused)) static EVP_PKEY *
pair_key(const char *type)
{
	if (strcmp(type, "RSA") == 0)
		return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
	if (strcmp(type, "RSA1024") == 0)
		return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
	if (strcmp(type, "ED25519") == 0 || strcmp(type, "X25519") == 0)
		return EVP_PKEY_Q_keygen(NULL, NULL, type);
	return EVP_PKEY_Q_keygen(NULL, NULL, "EC", type);
}

__attribute__((unused)) static X509 *
pair_cert(EVP_PKEY *key)
{
	X509 *cert = X509_new();
	X509_NAME *name = X509_get_subject_name(cert);

	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), -60);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
	    (const unsigned char *)"relay.example.org", -1, -1, 0);
	X509_set_issuer_name(cert, name);
	X509_set_pubkey(cert, key);
	if (X509_sign(cert, key, EVP_PKEY_is_a(key, "ED25519") ? NULL :
	    EVP_sha256()) == 0)
		abort();
	return cert;
}

/* PEM text of a key (encrypted when pass is given) or a certificate; freed by
 * the caller. */
__attribute__((unused)) static char *
pair_pem(EVP_PKEY *key, X509 *cert, const char *pass)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *data, *copy;
	long n;

	if (key != NULL)
		PEM_write_bio_PrivateKey(bio, key, pass == NULL ? NULL :
		    EVP_aes_128_cbc(), NULL, 0, NULL, (void *)(uintptr_t)pass);
	if (cert != NULL)
		PEM_write_bio_X509(bio, cert);
	n = BIO_get_mem_data(bio, &data);
	copy = calloc(1, (size_t)n + 1);
	memcpy(copy, data, (size_t)n);
	BIO_free(bio);
	return copy;
}

#endif
