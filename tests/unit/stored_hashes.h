/* What test_stored.c knows to fit "correct horse". */
	"SCRAM-SHA-256$4096:MDEyMzQ1Njc4OWFiY2RlZg==$tSgetjYW5SQlNzIx"
	"JAKMryuDGH8Snw5oWcj1eOW0ZyI=:bbZ1dJMgYYaKKR1fU1oGHkWJzi9OQY4yU8Fuksa1t70=",
	"$y$j75$abcdefghij./ABCDEFGHIJ.$FbDl2H2yQlwExeEHdyaGKgeK4r4iX"
	"s20YC5UOwEMb39",
	"$gy$j75$abcdefghij./ABCDEFGHIJ.$wfie0SpqGjims0UVPRhU90TYMisQ"
	"xehYqqjttVKEo44",
	"$7$6A..../....SodiumChloride$VvkMMEwlhxgyJOPQTTQGpdIy6xK7KgT"
	"u6tQcmfbrBaB",
	"$6$saltsalt$hRM5XZ86KXEw9UOmjigeVqFgULtFB2sgpC9lXQDfMib3Zgw7"
	"mEiUvBJI2EplzfAqxL5Vvwp2scFtv/uamSo5z0",
	"$5$rounds=1000$saltsalt$R6e4P8ccT9iMqkYg7Z8YtpId/lfsIfnuPkp8WXposU8",
	"$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e",
	"$2a$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e",
	"$2y$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e",
	"{CRYPT}$6$saltsalt$hRM5XZ86KXEw9UOmjigeVqFgULtFB2sgpC9lXQDfM"
	"ib3Zgw7mEiUvBJI2EplzfAqxL5Vvwp2scFtv/uamSo5z0",
