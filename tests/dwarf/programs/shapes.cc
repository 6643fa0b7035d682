// SPDX-License-Identifier: Apache-2.0

// What templates, lambdas and the standard library make of C++: what oracle.py asks names of.

#include <algorithm>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <regex>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "shapes.hh"

namespace {

struct square : shape {
	explicit square(double a) : side(a) {}
	double area() const override { return side * side; }
	std::string name() const override { return "square " + std::to_string(side); }
	double side;
};

template <typename T, int N> struct ring {
	T v[N] = {};
	int at = 0;
	T push(T x)
	{
		std::swap(v[at], x);
		at = (at + 1) % N;
		return x;
	}
};

}

std::map<std::string, double> count(const std::vector<std::unique_ptr<shape>> &shapes)
{
	std::map<std::string, double> sums;
	auto add = [&](const shape &s) {
		if (s.area() < 0)
			throw std::runtime_error("area of " + s.name());
		sums[s.name()] += s.area();
	};
	std::for_each(shapes.begin(), shapes.end(), [&](auto &s) { add(*s); });
	return sums;
}

int words(const std::string &text)
{
	std::regex word("[a-z]+");
	ring<std::string, 4> last;
	int sum = 0;
	for (std::sregex_iterator i(text.begin(), text.end(), word), end; i != end; ++i)
		sum += static_cast<int>(last.push(i->str()).size());
	return sum;
}

int main(int argc, char **)
{
	std::vector<std::unique_ptr<shape>> shapes;
	std::function<double(double)> grow = [argc](double x) { return x * argc + 1; };
	for (int i = 0; i < 10; i++) {
		shapes.push_back(std::make_unique<square>(grow(i)));
		shapes.push_back(make_circle(grow(i)));
	}
	std::sort(shapes.begin(), shapes.end(),
		  [](const auto &a, const auto &b) { return a->area() < b->area(); });
	try {
		std::ostringstream out;
		for (auto &[name, area] : count(shapes))
			out << name << ": " << area << '\n';
		std::cout << out.str() << words(out.str()) << std::endl;
	} catch (const std::exception &e) {
		std::cerr << e.what() << std::endl;
		return 1;
	}
}
