// SPDX-License-Identifier: Apache-2.0

// Functions without a body are allowed where there is assembly.
