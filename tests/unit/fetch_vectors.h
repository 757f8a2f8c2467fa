/*
 * Five keys and a token signed by each, made by another implementation (npm's
 * jose 5); the private halves are gone. Good from 1700000000 for an hour.
 */
#ifndef TESTS_UNIT_FETCH_VECTORS_H
#define TESTS_UNIT_FETCH_VECTORS_H

#define VECTOR_KEYS \
	"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"sKaIyrOtAkC8IReHckA0WpuSzRX_BA" \
	"a0Ef8RY3Es8FotGRJ-Q_IxVqLHdIU8e3r6drnf7oh3pC8KahE6RaG29S42NqkDWsh8" \
	"FGhp-wWAxIDCF2EjokWidpiHhLkXTvu6tPTEomffUDuFgJvDVUItjv589WXs-L1E2g" \
	"uQYF3kpeHvshQ9NyBH6PGymrNdXjvFBa_c4qXXGlHlP7AQJBjqCRyZjtl46ZnSin4F" \
	"ULw19K1GkITP2OgH4tDgQ2L5f67wcbYlnbdhb7NQkAvr1fSBnOZTBBk4Sj8POZjQLv" \
	"sl_-nDZg134ajNM6buP-J0kf1ZaaDlPRhdNuuRd7xQ5ChQ9Q\",\"e\":\"AQAB\"," \
	"\"kid\":\"rs256\",\"alg\":\"RS256\",\"use\":\"sig\"},{\"kty\":\"RS" \
	"A\",\"n\":\"3QgNKOr0Akbf4pao2DrT8_p6z_glonwaTN54jWRG28pBROv_KOA-wu" \
	"pxZiBEfo-uhOaZdXhGYyzBGjOEC8de9mWNZGHTjeJF5RBt3y795aCA8Y-8JlKsAzpC" \
	"Ctz9XY8n_d0F1kWfQzUk1HrF7p9hIjWOdWj390IDPf42_1K9dP2pn9MPdMVl4WXWhP" \
	"ZKGBfTjsfTtZPdfwV-rJMNZETdY4lDW1UJ55FULg-f2kcckhGMKbT6ukLISi-Sw0jL" \
	"JEwE-5Hov13MA5RjQvzBlAkTfaDxKJ9fNFe6WNywbk83kw0dHFQOQzE-ci2X3xdBgK" \
	"8Sm_JjsLT1Y9-V0qzaGqVnnQ\",\"e\":\"AQAB\",\"kid\":\"ps256\",\"alg\"" \
	":\"PS256\",\"use\":\"sig\"},{\"kty\":\"EC\",\"x\":\"XpPWlNaEHqhxn5" \
	"_SueCd14_U4TTTj6TEKoiZ1W5dDRc\",\"y\":\"q5UBJUJk8PsQyFTh2TLiGYJaDN" \
	"DBzyGRJkDDUOtKEfI\",\"crv\":\"P-256\",\"kid\":\"es256\",\"alg\":\"" \
	"ES256\",\"use\":\"sig\"},{\"kty\":\"EC\",\"x\":\"D0MxVV_YyLii3VMH9" \
	"-duhNWXfutqLn-ue2hlJN041Ua2ZcMBoSHqZQjh5k5Qin6a\",\"y\":\"ytXmieP2" \
	"FUBobT9G6gHZsmg-kR6cxfDrjNJnVML-lGrGRCMCzm9ivaDG3971hwTz\",\"crv\"" \
	":\"P-384\",\"kid\":\"es384\",\"alg\":\"ES384\",\"use\":\"sig\"},{\"" \
	"crv\":\"Ed25519\",\"x\":\"rFsAfGppEV25k2_8fVDtBlNc84hdo6rM-_2XIHaJ" \
	"2F8\",\"kty\":\"OKP\",\"kid\":\"eddsa\",\"alg\":\"EdDSA\",\"use\":" \
	"\"sig\"}]}"

#define VECTOR_RS256 \
	"eyJhbGciOiJSUzI1NiIsImtpZCI6InJzMjU2IiwidHlwIjoiYXQrand0In0.eyJlbW" \
	"FpbCI6ImFsaWNlQGV4YW1wbGUub3JnIiwiZW1haWxfdmVyaWZpZWQiOnRydWUsInNj" \
	"b3BlIjoib3BlbmlkIHNtdHAiLCJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUub3JnIi" \
	"wiYXVkIjpbImltYXAiLCJzbXRwIl0sImlhdCI6MTcwMDAwMDAwMCwiZXhwIjoxNzAw" \
	"MDAzNjAwfQ.IELhI_fFbn2HBzYYYFWazFccIotSjxxtwpQXhpib_Ac0D6mmaBZNN_m" \
	"4uGfsiAA5RPoEAtN8jtZDTQz4yjwRnNuxu7KtRVbFVQ1KUHw7JQhw6fehmOvcusE_D" \
	"Ko6O5u4Oz17SBYsyXmQbk4SvamXSzIUyBnAvN7Se4zPPrYgGw-DeAC_T4qfz5CIulH" \
	"bSWw0CCQqqw6zsfMtffQYRRv-Jk-9P6dWXbxjjKcmkoJcQSeSPxYQcjgFh1d0Lxm6L" \
	"2Bvow8xSbD3kTYx55TVL4odId7UiNfGQHkQzU9ZYlaURlq_tWLRkWIlJu-_zggdBF6" \
	"s5xp2jZjNLT1hhCuu_mzCfg"

#define VECTOR_PS256 \
	"eyJhbGciOiJQUzI1NiIsImtpZCI6InBzMjU2IiwidHlwIjoiYXQrand0In0.eyJlbW" \
	"FpbCI6ImFsaWNlQGV4YW1wbGUub3JnIiwiZW1haWxfdmVyaWZpZWQiOnRydWUsInNj" \
	"b3BlIjoib3BlbmlkIHNtdHAiLCJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUub3JnIi" \
	"wiYXVkIjpbImltYXAiLCJzbXRwIl0sImlhdCI6MTcwMDAwMDAwMCwiZXhwIjoxNzAw" \
	"MDAzNjAwfQ.wmGlTc1-lwj_LukLjDk097c4aBT7slH0K8q9eslMEZ6xEK6pklR9akO" \
	"xZKgJToA9Ax-VM_qLUzcmeKBhKoCBXyaunvZA2Wi9gQMK-EFDT_3PXpcjcq0SiWJ1v" \
	"ugtN_dq25CopK3Jej6TGPPr6BxI0VqgFDvxjsdztfF4c0yMuJR6-1OXc-LKVjT_vLv" \
	"9anJS1JxtSOu9coi0IOaAE6Tu02Yhe8vboLZlV3pY_mP9S9MmIX1UMgfyiv8Kx4V9H" \
	"EEQMOEF5qwDKNYKqqUeY_QcoNS6Nsl3FNgYQqT3-E7D7D7PGlk838LKiJFETO197do" \
	"gc0k1m4xJdn7cRv3mepUClg"

#define VECTOR_ES256 \
	"eyJhbGciOiJFUzI1NiIsImtpZCI6ImVzMjU2IiwidHlwIjoiYXQrand0In0.eyJlbW" \
	"FpbCI6ImFsaWNlQGV4YW1wbGUub3JnIiwiZW1haWxfdmVyaWZpZWQiOnRydWUsInNj" \
	"b3BlIjoib3BlbmlkIHNtdHAiLCJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUub3JnIi" \
	"wiYXVkIjpbImltYXAiLCJzbXRwIl0sImlhdCI6MTcwMDAwMDAwMCwiZXhwIjoxNzAw" \
	"MDAzNjAwfQ.mmIc521zFtsm_8LhTzn_SbsKlMVSpM7S9NRruU3R7OPIQG61uvRb49J" \
	"_zzyt_s-AfME1NKFnUKYIALSXhsvA3w"

#define VECTOR_ES384 \
	"eyJhbGciOiJFUzM4NCIsImtpZCI6ImVzMzg0IiwidHlwIjoiYXQrand0In0.eyJlbW" \
	"FpbCI6ImFsaWNlQGV4YW1wbGUub3JnIiwiZW1haWxfdmVyaWZpZWQiOnRydWUsInNj" \
	"b3BlIjoib3BlbmlkIHNtdHAiLCJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUub3JnIi" \
	"wiYXVkIjpbImltYXAiLCJzbXRwIl0sImlhdCI6MTcwMDAwMDAwMCwiZXhwIjoxNzAw" \
	"MDAzNjAwfQ.wy7IlBLCtlQhYU9uVHKCjM1fCpQ63FZUcWYL_hJ0UCMMpJr3q5yToji" \
	"Wtg-i-XaumK3mrh_Sni66TG4W4PA7189R8fQvM3wioPG4zZc_UghH7FEbZWea02BVd" \
	"atBWx7K"

#define VECTOR_EDDSA \
	"eyJhbGciOiJFZERTQSIsImtpZCI6ImVkZHNhIiwidHlwIjoiYXQrand0In0.eyJlbW" \
	"FpbCI6ImFsaWNlQGV4YW1wbGUub3JnIiwiZW1haWxfdmVyaWZpZWQiOnRydWUsInNj" \
	"b3BlIjoib3BlbmlkIHNtdHAiLCJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUub3JnIi" \
	"wiYXVkIjpbImltYXAiLCJzbXRwIl0sImlhdCI6MTcwMDAwMDAwMCwiZXhwIjoxNzAw" \
	"MDAzNjAwfQ.11y8KzHgy9j0JLf1CAcxvDq8Qj6EL6qvIBV2xvVLq5ZSW-KSTs6901M" \
	"CMLCqLEuMFbCHiDtXqT1-aS81JLbQAQ"

#endif
