# POSTERN_TRY_CFLAGS(VARIABLE, FLAG...): adds each flag that the compiler takes
# without a warning to VARIABLE.
AC_DEFUN([POSTERN_TRY_CFLAGS], [m4_foreach([_flag], m4_cdr($@), [
  AC_MSG_CHECKING([whether $CC takes ]_flag)
  postern_save_cflags=$CFLAGS
  CFLAGS="$CFLAGS -Werror _flag"
  AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])],
    [AC_MSG_RESULT([yes]); $1="$$1 _flag"],
    [AC_MSG_RESULT([no])])
  CFLAGS=$postern_save_cflags
])])

# POSTERN_TRY_LDFLAGS(VARIABLE, FLAG...): the same for the linker.
AC_DEFUN([POSTERN_TRY_LDFLAGS], [m4_foreach([_flag], m4_cdr($@), [
  AC_MSG_CHECKING([whether the linker takes ]_flag)
  postern_save_ldflags=$LDFLAGS postern_save_cflags=$CFLAGS
  CFLAGS="$CFLAGS $POSTERN_CFLAGS"
  LDFLAGS="$LDFLAGS _flag"
  AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])],
    [AC_MSG_RESULT([yes]); $1="$$1 _flag"],
    [AC_MSG_RESULT([no])])
  LDFLAGS=$postern_save_ldflags CFLAGS=$postern_save_cflags
])])

# POSTERN_TRY_FORTIFY(VARIABLE): the highest FORTIFY_SOURCE level that compiles.
# It needs optimisation, so it is left out where the user asked for -O0.
AC_DEFUN([POSTERN_TRY_FORTIFY], [
  AC_MSG_CHECKING([for FORTIFY_SOURCE])
  postern_fortify=no
  for postern_level in 3 2; do
    AS_IF([test $postern_fortify = no], [
      postern_save_cppflags=$CPPFLAGS
      CPPFLAGS="$CPPFLAGS -Werror -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=$postern_level"
      AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[#include <string.h>]], [])],
        [postern_fortify=$postern_level
         $1="$$1 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=$postern_level"])
      CPPFLAGS=$postern_save_cppflags
    ])
  done
  AC_MSG_RESULT([$postern_fortify])
])

# POSTERN_CHECK_BDB(VERSION): Berkeley DB ships no .pc file, so look at header,
# version and link in turn. Sets DB_LIBS.
AC_DEFUN([POSTERN_CHECK_BDB], [
  AC_CHECK_HEADER([db.h], [],
    [AC_MSG_ERROR([db.h is missing; install Berkeley DB's headers (libdb-dev)])])
  AC_MSG_CHECKING([for Berkeley DB $1])
  postern_save_libs=$LIBS
  LIBS="$LIBS -ldb"
  AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <db.h>
#if DB_VERSION_MAJOR * 100 + DB_VERSION_MINOR < ]m4_bpatsubst([$1], [\.], [ * 100 + ])[
#error too old
#endif]], [[return db_env_create(0, 0);]])],
    [AC_MSG_RESULT([yes])],
    [AC_MSG_RESULT([no])
     AC_MSG_ERROR([Berkeley DB $1 or newer is missing; install libdb-dev])])
  LIBS=$postern_save_libs
  AC_SUBST([DB_LIBS], [-ldb])
])
