"""pg_operator, pg_amop and pg_cast: what operators and casts between built-in types are called.

Asked by tools that look up how a key compares or a value converts. Only rows about types that are
here; names and numbers are those of PostgreSQL 15, but for pg_amop's and pg_cast's own, which
PostgreSQL gives anew to every cluster. The functions behind them are not told: DuckDB has its own.
https://www.postgresql.org/docs/15/catalog-pg-operator.html
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import pyarrow as pa

from sql.system.arrow import fill
from sql.system.pg_catalog.access_methods import BTREE, HASH
from sql.system.pg_catalog.oids import OWNER, PG_CATALOG
from sql.system.pg_catalog.shapes import SHAPES
from sql.system.pg_catalog.types import BY_NAME
from sql.system.table import SystemContext

_ORDER = ("=", "<>", "<", "<=", ">", ">=")
_NEGATION = {"=": "<>", "<>": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_MIRRORED = {"=": "=", "<>": "<>", "<": ">", ">": "<", "<=": ">=", ">=": "<="}
_STRATEGIES = {"<": 1, "<=": 2, "=": 3, ">=": 4, ">": 5}  # of a btree
_FIRST_AMOP, _FIRST_CAST = 10200, 10600
_BOOL = BY_NAME["bool"].oid

# left right | numbers of = <> < <= > >= | can merge, can hash | btree family, hash family
_COMPARISONS = """
bool bool 91 85 58 1694 59 1695 mh 424 2222; bytea bytea 1955 1956 1957 1958 1959 1960 mh 428 2223;
char char 92 630 631 632 633 634 mh 429 431; name name 93 643 660 661 662 663 mh 1994 1995;
name text 254 259 255 256 258 257 mh 1994 1995; int8 int8 410 411 412 414 413 415 mh 1976 1977;
int8 int2 1868 1869 1870 1872 1871 1873 mh 1976 1977;
int8 int4 416 417 418 420 419 430 mh 1976 1977;
int2 int8 1862 1863 1864 1866 1865 1867 mh 1976 1977; int2 int2 94 519 95 522 520 524 mh 1976 1977;
int2 int4 532 538 534 540 536 542 mh 1976 1977; int4 int8 15 36 37 80 76 82 mh 1976 1977;
int4 int2 533 539 535 541 537 543 mh 1976 1977; int4 int4 96 518 97 523 521 525 mh 1976 1977;
text name 260 265 261 262 264 263 mh 1994 1995; text text 98 531 664 665 666 667 mh 1994 1995;
oid oid 607 608 609 611 610 612 mh 1989 1990; tid tid 387 402 2799 2801 2800 2802 mh 2789 2227;
xid int4 353 3316 0 0 0 0 - 0 0; xid xid 352 3315 0 0 0 0 h 0 2225;
oidvector oidvector 649 644 645 647 646 648 mh 1991 1992;
float4 float4 620 621 622 624 623 625 mh 1970 1971;
float4 float8 1120 1121 1122 1124 1123 1125 mh 1970 1971;
float8 float4 1130 1131 1132 1134 1133 1135 mh 1970 1971;
float8 float8 670 671 672 673 674 675 mh 1970 1971;
macaddr8 macaddr8 3362 3363 3364 3365 3366 3367 mh 3371 3372;
money money 900 901 902 904 903 905 m 2099 0;
macaddr macaddr 1220 1221 1222 1223 1224 1225 mh 1984 1985;
inet inet 1201 1202 1203 1204 1205 1206 mh 1974 1975;
bpchar bpchar 1054 1057 1058 1059 1060 1061 mh 426 427;
date date 1093 1094 1095 1096 1097 1098 mh 434 435;
date timestamp 2347 2350 2345 2346 2349 2348 m 434 0;
date timestamptz 2360 2363 2358 2359 2362 2361 m 434 0;
time time 1108 1109 1110 1111 1112 1113 mh 1996 1997;
timestamp date 2373 2376 2371 2372 2375 2374 m 434 0;
timestamp timestamp 2060 2061 2062 2063 2064 2065 mh 434 2040;
timestamp timestamptz 2536 2539 2534 2535 2538 2537 m 434 0;
timestamptz date 2386 2389 2384 2385 2388 2387 m 434 0;
timestamptz timestamp 2542 2545 2540 2541 2544 2543 m 434 0;
timestamptz timestamptz 1320 1321 1322 1323 1324 1325 mh 434 1999;
interval interval 1330 1331 1332 1333 1334 1335 mh 1982 1983;
timetz timetz 1550 1551 1552 1553 1554 1555 mh 2000 2001;
bit bit 1784 1785 1786 1788 1787 1789 m 423 0;
varbit varbit 1804 1805 1806 1808 1807 1809 m 2002 0;
numeric numeric 1752 1753 1754 1755 1756 1757 mh 1988 1998;
record record 2988 2989 2990 2992 2991 2993 mh 2994 6194;
anyarray anyarray 1070 1071 1072 1074 1073 1075 mh 397 627;
uuid uuid 2972 2973 2974 2976 2975 2977 mh 2968 2969;
pg_lsn pg_lsn 3222 3223 3224 3226 3225 3227 mh 3253 3254;
anyenum anyenum 3516 3517 3518 3520 3519 3521 mh 3522 3523;
jsonb jsonb 3240 3241 3242 3244 3243 3245 mh 4033 4034;
anyrange anyrange 3882 3883 3884 3885 3887 3886 mh 3901 3903;
anymultirange anymultirange 2860 2861 2862 2863 2865 2864 mh 4199 4225;
xid8 xid8 5068 5072 5073 5075 5074 5076 mh 5067 5032
"""
# number name left right result commutator negator
_OTHERS = """
349 || anycompatiblearray anycompatible anycompatiblearray 0 0;
374 || anycompatible anycompatiblearray anycompatiblearray 0 0;
375 || anycompatiblearray anycompatiblearray anycompatiblearray 0 0; 439 % int8 int8 int8 0 0;
473 @ - int8 int8 0 0; 484 - - int8 int8 0 0; 514 * int4 int4 int4 514 0;
526 * int2 int2 int2 526 0; 527 / int2 int2 int2 0 0; 528 / int4 int4 int4 0 0;
529 % int2 int2 int2 0 0; 530 % int4 int4 int4 0 0; 544 * int2 int4 int4 545 0;
545 * int4 int2 int4 544 0; 546 / int2 int4 int4 0 0; 547 / int4 int2 int4 0 0;
550 + int2 int2 int2 550 0; 551 + int4 int4 int4 551 0; 552 + int2 int4 int4 553 0;
553 + int4 int2 int4 552 0; 554 - int2 int2 int2 0 0; 555 - int4 int4 int4 0 0;
556 - int2 int4 int4 0 0; 557 - int4 int2 int4 0 0; 558 - - int4 int4 0 0; 559 - - int2 int2 0 0;
584 - - float4 float4 0 0; 585 - - float8 float8 0 0; 586 + float4 float4 float4 586 0;
587 - float4 float4 float4 0 0; 588 / float4 float4 float4 0 0; 589 * float4 float4 float4 589 0;
590 @ - float4 float4 0 0; 591 + float8 float8 float8 591 0; 592 - float8 float8 float8 0 0;
593 / float8 float8 float8 0 0; 594 * float8 float8 float8 594 0; 595 @ - float8 float8 0 0;
596 |/ - float8 float8 0 0; 597 ||/ - float8 float8 0 0; 639 ~ name text bool 0 640;
640 !~ name text bool 0 639; 641 ~ text text bool 0 642; 642 !~ text text bool 0 641;
654 || text text text 0 0; 682 @ - int2 int2 0 0; 684 + int8 int8 int8 684 0;
685 - int8 int8 int8 0 0; 686 * int8 int8 int8 686 0; 687 / int8 int8 int8 0 0;
688 + int8 int4 int8 692 0; 689 - int8 int4 int8 0 0; 690 * int8 int4 int8 694 0;
691 / int8 int4 int8 0 0; 692 + int4 int8 int8 688 0; 693 - int4 int8 int8 0 0;
694 * int4 int8 int8 690 0; 695 / int4 int8 int8 0 0; 773 @ - int4 int4 0 0;
818 + int8 int2 int8 822 0; 819 - int8 int2 int8 0 0; 820 * int8 int2 int8 824 0;
821 / int8 int2 int8 0 0; 822 + int2 int8 int8 818 0; 823 - int2 int8 int8 0 0;
824 * int2 int8 int8 820 0; 825 / int2 int8 int8 0 0; 843 * money float4 money 845 0;
844 / money float4 money 0 0; 845 * float4 money money 843 0; 906 + money money money 906 0;
907 - money money money 0 0; 908 * money float8 money 916 0; 909 / money float8 money 0 0;
912 * money int4 money 917 0; 913 / money int4 money 0 0; 914 * money int2 money 918 0;
915 / money int2 money 0 0; 916 * float8 money money 908 0; 917 * int4 money money 912 0;
918 * int2 money money 914 0; 931 << inet inet bool 933 0; 932 <<= inet inet bool 934 0;
933 >> inet inet bool 931 0; 934 >>= inet inet bool 932 0; 965 ^ float8 float8 float8 0 0;
1038 ^ numeric numeric numeric 0 0; 1055 ~ bpchar text bool 0 1056;
1056 !~ bpchar text bool 0 1055; 1076 + date interval timestamp 2551 0;
1077 - date interval timestamp 0 0; 1099 - date date int4 0 0; 1100 + date int4 date 2555 0;
1101 - date int4 date 0 0; 1116 + float4 float8 float8 1126 0; 1117 - float4 float8 float8 0 0;
1118 / float4 float8 float8 0 0; 1119 * float4 float8 float8 1129 0;
1126 + float8 float4 float8 1116 0; 1127 - float8 float4 float8 0 0;
1128 / float8 float4 float8 0 0; 1129 * float8 float4 float8 1119 0; 1207 ~~ name text bool 0 1208;
1208 !~~ name text bool 0 1207; 1209 ~~ text text bool 0 1210; 1210 !~~ text text bool 0 1209;
1211 ~~ bpchar text bool 0 1212; 1212 !~~ bpchar text bool 0 1211; 1226 ~* name text bool 0 1227;
1227 !~* name text bool 0 1226; 1228 ~* text text bool 0 1229; 1229 !~* text text bool 0 1228;
1234 ~* bpchar text bool 0 1235; 1235 !~* bpchar text bool 0 1234;
1327 + timestamptz interval timestamptz 2554 0; 1328 - timestamptz timestamptz interval 0 0;
1329 - timestamptz interval timestamptz 0 0; 1336 - - interval interval 0 0;
1337 + interval interval interval 1337 0; 1338 - interval interval interval 0 0;
1360 + date time timestamp 1363 0; 1361 + date timetz timestamptz 1366 0;
1363 + time date timestamp 1360 0; 1366 + timetz date timestamptz 1361 0;
1399 - time time interval 0 0; 1583 * interval float8 interval 1584 0;
1584 * float8 interval interval 1583 0; 1585 / interval float8 interval 0 0;
1625 ~~* name text bool 0 1626; 1626 !~~* name text bool 0 1625; 1627 ~~* text text bool 0 1628;
1628 !~~* text text bool 0 1627; 1629 ~~* bpchar text bool 0 1630;
1630 !~~* bpchar text bool 0 1629; 1751 - - numeric numeric 0 0;
1758 + numeric numeric numeric 1758 0; 1759 - numeric numeric numeric 0 0;
1760 * numeric numeric numeric 1760 0; 1761 / numeric numeric numeric 0 0;
1762 % numeric numeric numeric 0 0; 1763 @ - numeric numeric 0 0; 1791 & bit bit bit 1791 0;
1792 | bit bit bit 1792 0; 1793 # bit bit bit 1793 0; 1794 ~ - bit bit 0 0;
1795 << bit int4 bit 0 0; 1796 >> bit int4 bit 0 0; 1797 || varbit varbit varbit 0 0;
1800 + time interval time 1849 0; 1801 - time interval time 0 0;
1802 + timetz interval timetz 2552 0; 1803 - timetz interval timetz 0 0;
1849 + interval time time 1800 0; 1874 & int2 int2 int2 1874 0; 1875 | int2 int2 int2 1875 0;
1876 # int2 int2 int2 1876 0; 1877 ~ - int2 int2 0 0; 1878 << int2 int4 int2 0 0;
1879 >> int2 int4 int2 0 0; 1880 & int4 int4 int4 1880 0; 1881 | int4 int4 int4 1881 0;
1882 # int4 int4 int4 1882 0; 1883 ~ - int4 int4 0 0; 1884 << int4 int4 int4 0 0;
1885 >> int4 int4 int4 0 0; 1886 & int8 int8 int8 1886 0; 1887 | int8 int8 int8 1887 0;
1888 # int8 int8 int8 1888 0; 1889 ~ - int8 int8 0 0; 1890 << int8 int4 int8 0 0;
1891 >> int8 int4 int8 0 0; 1916 + - int8 int8 0 0; 1917 + - int2 int2 0 0; 1918 + - int4 int4 0 0;
1919 + - float4 float4 0 0; 1920 + - float8 float8 0 0; 1921 + - numeric numeric 0 0;
2016 ~~ bytea bytea bool 0 2017; 2017 !~~ bytea bytea bool 0 2016; 2018 || bytea bytea bytea 0 0;
2066 + timestamp interval timestamp 2553 0; 2067 - timestamp timestamp interval 0 0;
2068 - timestamp interval timestamp 0 0; 2551 + interval date timestamp 1076 0;
2552 + interval timetz timetz 1802 0; 2553 + interval timestamp timestamp 2066 0;
2554 + interval timestamptz timestamptz 1327 0; 2555 + int4 date date 1100 0;
2634 ~ - inet inet 0 0; 2635 & inet inet inet 0 0; 2636 | inet inet inet 0 0;
2637 + inet int8 inet 2638 0; 2638 + int8 inet inet 2637 0; 2639 - inet int8 inet 0 0;
2640 - inet inet int8 0 0; 2750 && anyarray anyarray bool 2750 0;
2751 @> anyarray anyarray bool 2752 0; 2752 <@ anyarray anyarray bool 2751 0;
2866 && anyrange anymultirange bool 2867 0; 2867 && anymultirange anyrange bool 2866 0;
2868 && anymultirange anymultirange bool 2868 0; 2869 @> anymultirange anyelement bool 2872 0;
2870 @> anymultirange anyrange bool 2873 0; 2871 @> anymultirange anymultirange bool 2874 0;
2872 <@ anyelement anymultirange bool 2869 0; 2873 <@ anyrange anymultirange bool 2870 0;
2874 <@ anymultirange anymultirange bool 2871 0; 2875 &< anyrange anymultirange bool 0 0;
2876 &< anymultirange anyrange bool 0 0; 2877 &< anymultirange anymultirange bool 0 0;
3147 ~ - macaddr macaddr 0 0; 3148 & macaddr macaddr macaddr 0 0;
3149 | macaddr macaddr macaddr 0 0; 3211 -> jsonb text jsonb 0 0; 3212 -> jsonb int4 jsonb 0 0;
3228 - pg_lsn pg_lsn numeric 0 0; 3246 @> jsonb jsonb bool 3250 0; 3247 ? jsonb text bool 0 0;
3250 <@ jsonb jsonb bool 3246 0; 3284 || jsonb jsonb jsonb 0 0; 3285 - jsonb text jsonb 0 0;
3286 - jsonb int4 jsonb 0 0; 3346 * money int8 money 3349 0; 3347 / money int8 money 0 0;
3349 * int8 money money 3346 0; 3368 ~ - macaddr8 macaddr8 0 0;
3369 & macaddr8 macaddr8 macaddr8 0 0; 3370 | macaddr8 macaddr8 macaddr8 0 0;
3477 ->> jsonb text text 0 0; 3481 ->> jsonb int4 text 0 0; 3552 && inet inet bool 3552 0;
3585 &> anyrange anymultirange bool 0 0; 3762 @@ text text bool 0 0; 3825 / money money float8 0 0;
3877 ^@ text text bool 0 0; 3888 && anyrange anyrange bool 3888 0;
3889 @> anyrange anyelement bool 3891 0; 3890 @> anyrange anyrange bool 3892 0;
3891 <@ anyelement anyrange bool 3889 0; 3892 <@ anyrange anyrange bool 3890 0;
3893 << anyrange anyrange bool 3894 0; 3894 >> anyrange anyrange bool 3893 0;
3895 &< anyrange anyrange bool 0 0; 3896 &> anyrange anyrange bool 0 0;
3897 -|- anyrange anyrange bool 3897 0; 3898 + anyrange anyrange anyrange 3898 0;
3899 - anyrange anyrange anyrange 0 0; 3900 * anyrange anyrange anyrange 3900 0;
3962 -> json text json 0 0; 3963 ->> json text text 0 0; 3964 -> json int4 json 0 0;
3965 ->> json int4 text 0 0; 4012 @? jsonb jsonpath bool 0 0; 4013 @@ jsonb jsonpath bool 0 0;
4035 &> anymultirange anyrange bool 0 0; 4142 &> anymultirange anymultirange bool 0 0;
4179 -|- anyrange anymultirange bool 4180 0; 4180 -|- anymultirange anyrange bool 4179 0;
4198 -|- anymultirange anymultirange bool 4198 0;
4392 + anymultirange anymultirange anymultirange 4392 0;
4393 - anymultirange anymultirange anymultirange 0 0;
4394 * anymultirange anymultirange anymultirange 4394 0;
4395 << anyrange anymultirange bool 4399 0; 4396 << anymultirange anyrange bool 4398 0;
4397 << anymultirange anymultirange bool 4400 0; 4398 >> anyrange anymultirange bool 4396 0;
4399 >> anymultirange anyrange bool 4395 0; 4400 >> anymultirange anymultirange bool 4397 0;
4539 @> anyrange anymultirange bool 4540 0; 4540 <@ anymultirange anyrange bool 4539 0;
5025 + pg_lsn numeric pg_lsn 5026 0; 5026 + numeric pg_lsn pg_lsn 5025 0;
5027 - pg_lsn numeric pg_lsn 0 0
"""
# source target function context (a: in assignments, e: if written, i: always) method
_CASTS = """
bool int4 2558 ef; bool text 2971 af; bool bpchar 2971 af; bool varchar 2971 af; char int4 77 ef;
char text 946 if; char bpchar 860 af; char varchar 946 af; name text 406 if; name bpchar 408 af;
name varchar 1401 af; int8 int2 714 af; int8 int4 480 af; int8 regproc 1287 if; int8 oid 1287 if;
int8 float4 652 if; int8 float8 482 if; int8 money 3812 af; int8 bit 2075 ef; int8 numeric 1781 if;
int8 regprocedure 1287 if; int8 regclass 1287 if; int8 regtype 1287 if; int8 regnamespace 1287 if;
int8 regrole 1287 if; int2 int8 754 if; int2 int4 313 if; int2 regproc 313 if; int2 oid 313 if;
int2 float4 236 if; int2 float8 235 if; int2 numeric 1782 if; int2 regprocedure 313 if;
int2 regclass 313 if; int2 regtype 313 if; int2 regnamespace 313 if; int2 regrole 313 if;
int4 bool 2557 ef; int4 char 78 ef; int4 int8 481 if; int4 int2 314 af; int4 regproc 0 ib;
int4 oid 0 ib; int4 float4 318 if; int4 float8 316 if; int4 money 3811 af; int4 bit 1683 ef;
int4 numeric 1740 if; int4 regprocedure 0 ib; int4 regclass 0 ib; int4 regtype 0 ib;
int4 regnamespace 0 ib; int4 regrole 0 ib; regproc int8 1288 af; regproc int4 0 ab;
regproc oid 0 ib; regproc regprocedure 0 ib; text char 944 af; text name 407 if; text xml 2896 ef;
text bpchar 0 ib; text varchar 0 ib; text regclass 1079 if; oid int8 1288 af; oid int4 0 ab;
oid regproc 0 ib; oid regprocedure 0 ib; oid regclass 0 ib; oid regtype 0 ib;
oid regnamespace 0 ib; oid regrole 0 ib; json jsonb 0 ai; xml text 0 ab; xml bpchar 0 ab;
xml varchar 0 ab; float4 int8 653 af; float4 int2 238 af; float4 int4 319 af; float4 float8 311 if;
float4 numeric 1742 af; float8 int8 483 af; float8 int2 237 af; float8 int4 317 af;
float8 float4 312 af; float8 numeric 1743 af; macaddr8 macaddr 4124 if; money numeric 3823 af;
macaddr macaddr8 4123 if; inet text 730 af; inet bpchar 730 af; inet varchar 730 af;
bpchar char 944 af; bpchar name 409 if; bpchar text 401 if; bpchar xml 2896 ef;
bpchar bpchar 668 if; bpchar varchar 401 if; varchar char 944 af; varchar name 1400 if;
varchar text 0 ib; varchar xml 2896 ef; varchar bpchar 0 ib; varchar varchar 669 if;
varchar regclass 1079 if; date timestamp 2024 if; date timestamptz 1174 if; time time 1968 if;
time interval 1370 if; time timetz 2047 if; timestamp date 2029 af; timestamp time 1316 af;
timestamp timestamp 1961 if; timestamp timestamptz 2028 if; timestamptz date 1178 af;
timestamptz time 2019 af; timestamptz timestamp 2027 af; timestamptz timestamptz 1967 if;
timestamptz timetz 1388 af; interval time 1419 af; interval interval 1200 if; timetz time 2046 af;
timetz timetz 1969 if; bit int8 2076 ef; bit int4 1684 ef; bit bit 1685 if; bit varbit 0 ib;
varbit bit 0 ib; varbit varbit 1687 if; numeric int8 1779 af; numeric int2 1783 af;
numeric int4 1744 af; numeric float4 1745 if; numeric float8 1746 if; numeric money 3824 af;
numeric numeric 1703 if; regprocedure int8 1288 af; regprocedure int4 0 ab;
regprocedure regproc 0 ib; regprocedure oid 0 ib; regclass int8 1288 af; regclass int4 0 ab;
regclass oid 0 ib; regtype int8 1288 af; regtype int4 0 ab; regtype oid 0 ib; jsonb bool 3556 ef;
jsonb int8 3452 ef; jsonb int2 3450 ef; jsonb int4 3451 ef; jsonb json 0 ai; jsonb float4 3453 ef;
jsonb float8 2580 ef; jsonb numeric 3449 ef; regnamespace int8 1288 af; regnamespace int4 0 ab;
regnamespace oid 0 ib; regrole int8 1288 af; regrole int4 0 ab; regrole oid 0 ib; xid8 xid 5071 ef
"""


@dataclass(frozen=True, slots=True)
class _Operator:
    oid: int
    name: str
    left: int  # 0: the operator stands before its operand
    right: int
    result: int
    mirrored: int  # the operator with the operands exchanged, 0 if there is none
    negation: int
    merges: bool = False
    hashes: bool = False


def _lines(text: str) -> list[list[str]]:
    return [line.split() for line in text.replace("\n", " ").split(";")]


def _oid(name: str) -> int:
    return 0 if name == "-" else BY_NAME[name].oid


@cache
def _families() -> list[tuple[int, int, int, int, int, int]]:
    """(family, left, right, strategy, operator, method) of every comparison in an index."""
    found = []
    for left, right, *numbers, _, btree, hash_ in _lines(_COMPARISONS):
        types, by_name = (
            (_oid(left), _oid(right)),
            dict(zip(_ORDER, map(int, numbers), strict=True)),
        )
        for name, strategy in _STRATEGIES.items() if btree != "0" else ():
            found.append((int(btree), *types, strategy, by_name[name], BTREE))
        if hash_ != "0":
            found.append((int(hash_), *types, 1, by_name["="], HASH))
    return found


@cache
def _operators() -> list[_Operator]:
    found: list[_Operator] = []
    numbers = {
        (left, right): dict(zip(_ORDER, map(int, rest[:6]), strict=True))
        for left, right, *rest in _lines(_COMPARISONS)
    }
    flags = {(left, right): rest[6] for left, right, *rest in _lines(_COMPARISONS)}
    for (left, right), by_name in numbers.items():
        mirror = numbers.get((right, left), {})
        for name, oid in by_name.items():
            can = flags[left, right] if name == "=" else ""
            other = mirror.get(_MIRRORED[name], 0)
            negation = by_name[_NEGATION[name]]
            types = _oid(left), _oid(right), _BOOL
            found.append(_Operator(oid, name, *types, other, negation, "m" in can, "h" in can))
    for number, name, left, right, result, mirrored, negated in _lines(_OTHERS):
        types = _oid(left), _oid(right), _oid(result)
        found.append(_Operator(int(number), name, *types, int(mirrored), int(negated)))
    return [one for one in found if one.oid]


@cache
def _pg_operator() -> pa.Table:
    found = _operators()
    return fill(
        SHAPES["pg_operator"].schema,
        len(found),
        {
            "oid": [one.oid for one in found],
            "oprname": [one.name for one in found],
            "oprnamespace": PG_CATALOG,
            "oprowner": OWNER,
            "oprkind": ["b" if one.left else "l" for one in found],
            "oprcanmerge": [one.merges for one in found],
            "oprcanhash": [one.hashes for one in found],
            "oprleft": [one.left for one in found],
            "oprright": [one.right for one in found],
            "oprresult": [one.result for one in found],
            "oprcom": [one.mirrored for one in found],
            "oprnegate": [one.negation for one in found],
            "oprcode": 0,
            "oprrest": 0,
            "oprjoin": 0,
        },
    )


def pg_operator(context: SystemContext) -> pa.Table:
    """Operators between built-in types."""
    return _pg_operator()


def pg_amop(context: SystemContext) -> pa.Table:
    """Which operators an index can be searched by."""
    found = _families()
    return fill(
        SHAPES["pg_amop"].schema,
        len(found),
        {
            "oid": list(range(_FIRST_AMOP, _FIRST_AMOP + len(found))),
            "amopfamily": [family for family, *_ in found],
            "amoplefttype": [left for _, left, *_ in found],
            "amoprighttype": [right for _, _, right, *_ in found],
            "amopstrategy": [strategy for *_, strategy, _, _ in found],
            "amoppurpose": "s",
            "amopopr": [operator for *_, operator, _ in found],
            "amopmethod": [method for *_, method in found],
            "amopsortfamily": 0,
        },
    )


def pg_cast(context: SystemContext) -> pa.Table:
    """How values of one built-in type become those of another."""
    found = _lines(_CASTS)
    return fill(
        SHAPES["pg_cast"].schema,
        len(found),
        {
            "oid": list(range(_FIRST_CAST, _FIRST_CAST + len(found))),
            "castsource": [_oid(source) for source, *_ in found],
            "casttarget": [_oid(target) for _, target, *_ in found],
            "castfunc": [int(function) for _, _, function, _ in found],
            "castcontext": [how[0] for *_, how in found],
            "castmethod": [how[1] for *_, how in found],
        },
    )
