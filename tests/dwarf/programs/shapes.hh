// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <memory>
#include <string>

struct shape {
	virtual ~shape() = default;
	virtual double area() const = 0;
	virtual std::string name() const { return "shape"; }
	bool larger(const shape &other) const { return area() > other.area(); }
};

std::unique_ptr<shape> make_circle(double radius);
