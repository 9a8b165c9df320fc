// floor_empty: a C++ program that does nothing, linked with libstdc++ as any other: the floor of
// `helios version`. Run: floor_empty
int main() {}
