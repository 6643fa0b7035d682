// SPDX-License-Identifier: Apache-2.0

#include "shapes.hh"

#include <vector>

namespace round {

class circle final : public shape {
public:
	explicit circle(double r);
	double area() const override;
	std::string name() const override { return larger(*this) ? "" : "circle"; }

private:
	std::vector<double> radii;
};

circle::circle(double r)
{
	for (int i = 0; i < 3; i++)
		radii.push_back(r * i);
}

double circle::area() const
{
	double sum = 0;
	for (double r : radii)
		sum += 3.14159265 * r * r;
	return sum;
}

}

std::unique_ptr<shape> make_circle(double radius)
{
	return std::make_unique<round::circle>(radius);
}
