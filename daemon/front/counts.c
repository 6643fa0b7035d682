/* SPDX-License-Identifier: Apache-2.0 */

#include "counts.h"

const struct count_desc count_descs[COUNT_MAX] = {
#define FRONT_COUNT(name, prose) { #name, prose },
#include "counts.def"
};
