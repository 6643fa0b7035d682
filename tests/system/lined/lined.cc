// SPDX-License-Identifier: Apache-2.0
// Works for ever, in many functions of the standard library that are inlined into one another.

#include <algorithm>
#include <map>
#include <numeric>
#include <regex>
#include <sstream>
#include <string>
#include <unordered_map>
#include <vector>

namespace {

volatile unsigned long sink;

struct Random {
	unsigned long state = 88172645463325252ull;
	unsigned long next()
	{
		state ^= state << 13;
		state ^= state >> 7;
		return state ^= state << 17;
	}
};

template <typename T> T fold(const std::vector<T> &v)
{
	return std::accumulate(v.begin(), v.end(), T{}, [](T a, T b) { return a * 31 + b; });
}

void sorts(Random &random)
{
	std::vector<unsigned long> v(2000);
	std::generate(v.begin(), v.end(), [&] { return random.next() % 5000; });
	std::sort(v.begin(), v.end());
	v.erase(std::unique(v.begin(), v.end()), v.end());
	std::stable_sort(v.begin(), v.end(), [](auto a, auto b) { return a % 97 < b % 97; });
	sink += fold(v);
}

void maps(Random &random)
{
	std::map<std::string, int> tree;
	std::unordered_map<unsigned long, std::string> table;
	for (int i = 0; i < 500; i++) {
		auto key = random.next() % 300;
		tree[std::to_string(key)]++;
		table.emplace(key, std::string(key % 40, 'x'));
	}
	for (const auto &[key, count] : tree)
		sink += key.size() * count;
	for (const auto &[key, text] : table)
		sink += text.size() ^ key;
}

void texts(Random &random)
{
	static const std::regex words("([a-f]+)-([0-9]+)");
	std::ostringstream out;
	for (int i = 0; i < 40; i++)
		out << "abc-" << random.next() % 1000 << ' ' << 0.5 * i << ';';
	std::string text = out.str();
	for (std::sregex_iterator it(text.begin(), text.end(), words), end; it != end; ++it)
		sink += (*it)[2].length();
	std::reverse(text.begin(), text.end());
	sink += std::hash<std::string>{}(text);
}

} // namespace

int main()
{
	Random random;
	for (;;) {
		sorts(random);
		maps(random);
		texts(random);
	}
}
