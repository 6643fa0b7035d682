// SPDX-License-Identifier: Apache-2.0
import java.util.*;

/** Code compiled at run time and the runtime's own, for ever: calls, a sort, maps, garbage. */
public class Work {
    static int work(int n) {
        List<String> words = new ArrayList<>();
        for (int i = 0; i < 500; i++) {
            words.add("word " + i * n % 97);
        }
        Collections.sort(words);
        Map<String, Integer> counts = new HashMap<>();
        for (String w : words) {
            counts.merge(w, 1, Integer::sum);
        }
        return counts.size();
    }

    public static void main(String[] args) {
        for (int n = 1; n != 0; ) {
            n = 1 + work(n) % 1000;
        }
    }
}
